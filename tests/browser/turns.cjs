// What people do with the cards of turns, on the phone page: turns.cjs URL BROWSER. The first chat is of somebody who has
// sessions in `blog` and in `shop`, of which the latter is active, and the practice agent answers. A message of hers,
// `echo from before`, came late.
"use strict";
const assert = require("node:assert/strict");
const { inBrowser, phone, picture } = require("./inside.cjs");

const [url, browser] = process.argv.slice(2);

inBrowser(browser, async (page) => {
  const { say, hear, offering, press, confirm, gone } = await phone(page, url);

  // What came late is asked about, and runs when it is told to.
  const late = await offering("Run");
  await picture(page, "late", late);
  await press(late, "Run");
  await hear(/^from before/);

  // A command is allowed once: the card says so, and the answer is there.
  await say("run echo it ran");
  let asked = await offering("Allow once");
  assert.match(await asked.textContent(), /echo it ran/);
  await picture(page, "approval-command", asked);
  await press(asked, "Allow once", "Allowed.");
  await hear("The command said:");
  await gone("Allow once");
  await picture(page, "approval-decided", await hear("Allowed"));

  // Always: the same command needs no question any more.
  await say("run echo always");
  await press(await offering("Always allow in this session"), "Always allow in this session", "Allowed for the rest of this session.");
  await gone("Always allow in this session");
  await say("run echo always");
  await say("echo after that");
  await hear(/^after that/);
  assert.equal(await page.getByRole("button", { name: "Allow once" }).count(), 0);

  // No, and why: Claude is told the reason word for word.
  await say("write notes.md # Notes\n\n- 第一条");
  asked = await offering("Deny with this reason");
  await picture(page, "approval-file", asked);
  await asked.getByRole("textbox").fill("not in here, 谢谢");
  await press(asked, "Deny with this reason", "Denied.");
  await hear("I left it alone: not in here, 谢谢");

  // An edit shows what changed, before and after.
  await say("edit");
  asked = await offering("Accept edits in this session");
  assert.equal(await asked.locator(".added, .removed").count(), 2);
  await picture(page, "approval-edit", asked);
  await press(asked, "Accept edits in this session", "Edits are accepted");
  const edited = await hear("I changed it.");
  await edited.locator("summary").first().click();
  await edited.locator(".added").first().waitFor();
  await picture(page, "answer", edited);

  // A running turn shows its text as it comes, and ends when it is told to.
  await say("stream 3000 words in 3000");
  const running = await offering("Stop");
  await running.filter({ hasText: "The quick brown" }).waitFor();
  await picture(page, "running", running);
  await press(running, "Stop", "It is being stopped.");
  await picture(page, "stopped", await hear("Stopped · shop"));

  // A question of a few options, and several questions of all kinds.
  await say("ask");
  asked = await offering("Blue");
  await picture(page, "question", asked);
  await press(asked, "Blue", "Answered.");
  await hear("Which colour shall it have? Blue");
  await say("ask many");
  asked = await offering("Answer");
  await asked.locator(".select").nth(0).click();
  await page.getByRole("option", { name: "Green" }).click();
  await asked.locator(".select").nth(1).click();
  for (const part of ["Code", "文档"]) await page.getByRole("option", { name: part }).click();
  await page.getByRole("button", { name: "Done" }).click();
  await asked.getByRole("textbox").nth(2).fill("When it rains");
  await picture(page, "questions", asked);
  await press(asked, "Answer", "Answered.");
  const answers = await hear("When shall I begin? When it rains");
  assert.match(await answers.textContent(), /Which parts shall I do\? Code, 文档/);

  // A plan is sent back, and approved.
  await say("plan");
  asked = await offering("Keep planning");
  await picture(page, "plan", asked);
  await asked.getByRole("textbox").fill("fewer steps");
  await press(asked, "Keep planning");
  await hear("Mind what you said: fewer steps");
  asked = await offering("Approve and accept edits");
  await press(asked, "Approve and accept edits");
  const planned = await hear("The plan is approved; the mode is acceptEdits.");

  // What was run can be run again.
  await say("echo twice");
  await press(await hear(/^twice/), "Run again", "Running it again.");
  await page.waitForFunction(() => [...document.querySelectorAll(".message:not(.own) .bubble")].filter((each) => each.textContent.startsWith("twice")).length === 2);
  assert.ok(await planned.isVisible());

  // What waits is seen, and can be taken out.
  await say("slow 3600");
  await offering("Stop");
  await say("echo never");
  const waiting = await offering("Cancel");
  await picture(page, "queue", waiting);
  await press(waiting, "Cancel", "Cancelled: “echo never”");
  await press(await offering("Stop"), "Stop");
  await gone("Stop");

  await say("/status");
  await picture(page, "status", await hear("acceptEdits"));
  await say("/help");
  await picture(page, "help", await hear("/new"));

  // The list: another session becomes the active one, and is closed.
  await say("/list");
  const list = await hear("Your sessions: 2");
  await picture(page, "list", list);
  await press(list, "Switch");
  await hear("blog");
  await say("recall");
  await press(await hear("There is nothing that I remember."), "Close session");
  await picture(page, "close");
  await confirm();
  await say("/list");
  await hear("Your sessions: 1");

  // In a group everybody sees what is asked, and only whose session it is decides.
  await page.getByRole("tab", { name: "The workshop" }).click();
  const as = page.getByRole("combobox", { name: "Write as" });
  await say("@phonework /new shop");
  await hear("active here");
  await say("@phonework run echo for all");
  asked = await offering("Allow once");
  await as.selectOption({ label: "Ming" });
  await press(await offering("Allow once"), "Allow once", "This session belongs to somebody else.");
  await picture(page, "group");
  await as.selectOption({ label: "Anna" });
  await press(await offering("Allow once"), "Allow once", "Allowed.");
  await hear("The command said:");
});
