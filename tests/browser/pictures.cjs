// The pictures of the documents: pictures.cjs URL BROWSER en|zh. The first chat is of somebody with a session in `shop`,
// which holds `cart.py`; the bot speaks that language, and the practice agent answers.
"use strict";
const { inBrowser, phone, picture } = require("./inside.cjs");

const [url, browser, language] = process.argv.slice(2);

// What the bot writes, in both languages.
const LABELS = {
  en: { once: "Allow once", edits: "Accept edits in this session", stop: "Stop", stopped: "Stopped.", answer: "Answer", keep: "Keep planning", cancel: "Cancel", list: "Your sessions" },
  zh: { once: "允许一次", edits: "本会话接受所有修改", stop: "停止", stopped: "已停止。", answer: "提交回答", keep: "继续计划", cancel: "取消", list: "你的会话" },
}[language];

// What people write.
const PROMPTS = {
  en: { count: "run wc -l *.py && grep -n TODO *.py", edit: "edit cart.py # TODO: discounts -> # TODO: discounts, taxes", later: "echo And then the tests, please." },
  zh: { count: "run wc -l *.py && grep -n TODO *.py", edit: "edit cart.py # TODO: discounts -> # TODO: 折扣和税费", later: "echo 然后请补上测试。" },
}[language];

inBrowser(browser, async (page) => {
  const { say, hear, offering, press, gone } = await phone(page, url);
  let stops = 0;
  const stopped = () => page.locator(".message:not(.own) .bubble", { hasText: LABELS.stopped }).nth(stops++).waitFor();
  const take = (name, shown) => picture(page, `${language}-${name}`, shown);

  // A command: the whole of it is shown before it runs.
  await say(PROMPTS.count);
  const asked = await offering(LABELS.once);
  await take("approval", asked);
  await press(asked, LABELS.once);
  await hear("TODO: discounts");
  await gone(LABELS.once);

  // Edits are accepted; the next one needs no question, and its answer shows what was changed.
  await say("edit cart.py return total -> return round(total, 2)");
  await press(await offering(LABELS.edits), LABELS.edits);
  await gone(LABELS.edits);
  await hear("I changed it.");
  await say(PROMPTS.edit);
  const answer = page.locator(".message:not(.own) .bubble", { hasText: "I changed it." }).nth(1);
  await answer.locator("summary").first().click();
  await answer.locator(".added").first().waitFor();
  await take("answer", answer);

  await say("work 60 in 120");
  const running = await offering(LABELS.stop);
  await running.filter({ hasText: "cat step-3" }).waitFor();
  await take("running", running);

  // What waits behind it.
  await say(PROMPTS.later);
  await take("queue", await offering(LABELS.cancel));
  await press(await offering(LABELS.cancel), LABELS.cancel);
  await press(running, LABELS.stop);
  await stopped();

  await say("ask many");
  await take("questions", await offering(LABELS.answer));
  await say("/stop");
  await stopped();

  await say("plan");
  await take("plan", await offering(LABELS.keep));
  await say("/stop");
  await stopped();

  await say("/list");
  await take("list", await hear(LABELS.list));

  await page.getByRole("tab", { name: "The workshop" }).click();
  await say("@phonework /new shop");
  await hear("shop");
  await say(`@phonework ${PROMPTS.count}`);
  await offering(LABELS.once);
  await page.getByRole("combobox", { name: "Write as" }).selectOption({ label: "Ming" });
  await press(await offering(LABELS.once), LABELS.once);
  await take("group", await offering(LABELS.once));
});
