"""Uses the control socket by the Varlink project's own Python client. Argument: the socket."""

import sys

import varlink

client = varlink.Client.new_with_address(f"unix:{sys.argv[1]}")
info = client.open("org.varlink.service").GetInfo()
assert info["product"] == "phonework", info
assert info["interfaces"] == ["org.varlink.service", "io.phonework"], info

for name in info["interfaces"]:
    # The client reads the definition, comments and all, or fails.
    interface = client.get_interface(name)
    assert interface.name == name
    assert f"interface {name}" in interface.get_description(), name

with client.open("io.phonework") as phonework:
    sessions = phonework.Sessions()["sessions"]
    assert [session["project"] for session in sessions] == ["shop"], sessions
    assert phonework.Health(False)["connection"]["state"] == "connected"
    assert len(phonework.Allowed()["people"]) == 2
    try:
        phonework.Close("c-nowhere")
        raise SystemExit("a session that is not there was closed")
    except varlink.VarlinkError as error:
        assert error.error() == "io.phonework.NoSuchSession", error
        assert error.parameters() == {"conv_id": "c-nowhere"}, error

with client.open("io.phonework") as phonework:
    kinds = []
    for reply in phonework.Tail(sessions[0]["conv_id"], _more=True):
        kinds += [entry["kind"] for entry in reply["entries"]]
    assert kinds == ["prompt", "answer", "over"], kinds

with client.open("io.phonework") as phonework:
    for reply in phonework.Tail(None, 1, None, True, _more=True):
        # It goes on; one reply is enough.
        assert reply["entries"], reply
        break
