// `phonework demo` as its user has it: demo.cjs URL BROWSER practice|real. With `real`, the model behind Claude Code
// greets back: `hello, …`.
"use strict";
const assert = require("node:assert/strict");
const { inBrowser } = require("./inside.cjs");

const [url, browser, agent] = process.argv.slice(2);

const phone = (page) => {
  const composer = page.getByRole("textbox", { name: "Message" });
  const answers = page.locator(".message:not(.own) .bubble");
  return {
    answers,
    open: (chat) => page.getByRole("tab", { name: chat }).click(),
    say: async (text) => {
      await composer.fill(text);
      await composer.press("Enter");
      // The composer is empty again when Feishu has it.
      await page.locator("#text:placeholder-shown").waitFor();
    },
    // The first of the bot's messages with these words.
    hear: async (words) => {
      const found = answers.filter({ hasText: words }).first();
      await found.waitFor();
      return found.innerText();
    },
  };
};

const practice = async (page) => {
  const { answers, open, say, hear } = phone(page);
  await say("good morning");
  assert.match(await hear("good morning"), /^\(practice agent, not Claude\) You wrote: good morning\n\nI only practise\./);
  await say("/list");
  const listed = await hear("1. hello");
  assert.match(listed, /▶ 1\. hello · (running|ready|asleep)[^]*2\. workshop · asleep/);

  await say("run echo it ran");
  assert.match(await hear("May Claude use Bash?"), /echo it ran/);
  await say("/approve");
  await hear("The command said:\nit ran");

  await say("slow 3600");
  await say("/stop");
  assert.match(await hear("Stopped · hello"), /⏹ Stopped\./);

  // All of a long answer is there, to its last character.
  await say("say 9000 characters");
  const long = await hear(/^\(practice agent, not Claude\) 9000 characters:/);
  assert.match(long, /\b1 The quick brown fox/);
  assert.match(long, /\b147 The quick brown fox jumps over the lazy d\n/);

  // The other user's chat is his alone, and the bot answers in it meanwhile.
  await open("Ming");
  assert.equal(await answers.count(), 0);
  await say("echo 你好，明");
  assert.match(await hear(/^你好，明/), /^你好，明\n/);
  assert.equal(await answers.count(), 1);

  // In the group the bot hears what mentions it. A person's messages are handled in order: had it heard the first, it
  // would have answered it first.
  await open("The workshop");
  await say("echo for the people");
  await say("@phonework echo for the bot");
  assert.match(await hear(/for the bot[^]*Continue/), /for the bot\n/);
  assert.equal(await answers.count(), 1);
};

const real = async (page) => {
  const { answers, say, hear } = phone(page);
  await say("Anna");
  assert.match(await hear(/^hello, Anna/), /^hello, Anna\n\nhello · .* · \$/);
  await say("again");
  assert.match(await hear(/^hello, again/), /^hello, again\n/);
  assert.equal(await answers.count(), 2);
};

inBrowser(browser, async (page) => {
  await page.goto(url);
  await page.waitForSelector(".link[data-state=on]");
  await (agent === "real" ? real : practice)(page);
});
