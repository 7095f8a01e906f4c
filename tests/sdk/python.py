"""Feishu's official Python SDK as a judge of the emulated Feishu: python.py URL APP_ID APP_SECRET"""

import json
import sys
import threading
import urllib.request

import lark_oapi as lark
from lark_oapi.api.im.v1 import (
    CreateMessageRequest,
    CreateMessageRequestBody,
    ReplyMessageRequest,
    ReplyMessageRequestBody,
)
from lark_oapi.event.callback.model.p2_card_action_trigger import P2CardActionTriggerResponse

BASE, APP_ID, APP_SECRET = sys.argv[1:4]
CARD = {
    "schema": "2.0",
    "body": {
        "elements": [
            {
                "tag": "button",
                "text": {"tag": "plain_text", "content": "Yes"},
                "behaviors": [{"type": "callback", "value": {"answer": "yes"}}],
            }
        ]
    },
}


def ask(path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(BASE + path, data=data, headers={"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def until(what, is_so):
    """Reads the feed until what it has told so far fulfils the condition."""
    messages = {}
    with urllib.request.urlopen(BASE + "/phone/feed", timeout=30) as feed:
        for line in feed:
            if not line.startswith(b"data: "):
                continue
            news = json.loads(line[6:])
            messages.update({message["message_id"]: message for message in news["messages"]})
            if is_so(news, messages.values()):
                return
    raise SystemExit(f"the feed ended before: {what}")


client = lark.Client.builder().app_id(APP_ID).app_secret(APP_SECRET).domain(BASE).build()


def on_message(data):
    message = data.event.message
    text = json.loads(message.content)["text"]
    body = ReplyMessageRequestBody.builder().msg_type("text").content(json.dumps({"text": f"heard: {text}"})).build()
    reply = ReplyMessageRequest.builder().message_id(message.message_id).request_body(body).build()
    answer = client.im.v1.message.reply(reply)
    if not answer.success():
        raise RuntimeError(f"the reply was refused: {answer.code} {answer.msg}")


def on_click(data):
    value = data.event.action.value
    return P2CardActionTriggerResponse({"toast": {"type": "success", "content": f"you said {value['answer']}"}})


handler = (
    lark.EventDispatcherHandler.builder("", "")
    .register_p2_im_message_receive_v1(on_message)
    .register_p2_card_action_trigger(on_click)
    .build()
)
long_connection = lark.ws.Client(APP_ID, APP_SECRET, event_handler=handler, domain=BASE)
threading.Thread(target=long_connection.start, daemon=True).start()

people = ask("/phone/people")
user, chat = people["users"][0]["open_id"], people["chats"][0]["chat_id"]


def hear(text):
    before = len(ask("/phone/acks"))
    said = ask("/phone/say", {"user": user, "chat": chat, "text": text})["message_id"]
    until(
        f"an answer to {text}",
        lambda news, shown: news["acks"] > before
        and any(each["reply_to"] == said and each["text"] == f"heard: {text}" for each in shown),
    )


until("a connection", lambda news, _: len(news["connections"]) == 1)
until("a ping", lambda news, _: any(each["pings"] > 0 for each in news["connections"]))
hear("你好 <b>")

body = CreateMessageRequestBody.builder().receive_id(chat).msg_type("interactive").content(json.dumps(CARD)).build()
request = CreateMessageRequest.builder().receive_id_type("chat_id").request_body(body).build()
sent = client.im.v1.message.create(request)
assert sent.success(), (sent.code, sent.msg)
clicked = ask("/phone/click", {"user": user, "message_id": sent.data.message_id, "press": {"label": "Yes"}})
assert clicked["toast"] == {"kind": "success", "content": "you said yes"}, clicked

for made, how in enumerate(["close", "reset"], start=2):
    ask("/phone/drop", {"how": how})
    until("a new connection", lambda news, _: news["connections_made"] == made and len(news["connections"]) == 1)
    hear(f"after {how}")

ask("/phone/delivering", {"slices": 3})
hear("in three slices")
codes = [ack["code"] for ack in ask("/phone/acks")]
assert codes == [200] * 5, codes
print("ok")
