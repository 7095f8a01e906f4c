// What people do with their sessions and with what waits, on the phone page: sessions.cjs URL BROWSER. The first chat is of
// somebody who has sessions in `blog` and in `shop`, of which the latter is active, and the practice agent answers. A
// message of hers, `echo too late`, came late.
"use strict";
const assert = require("node:assert/strict");
const { inBrowser, phone, picture } = require("./inside.cjs");

const [url, browser] = process.argv.slice(2);

inBrowser(browser, async (page) => {
  const { said, say, hear, offering, press, confirm, gone } = await phone(page, url);
  // The message about the nth session that was opened, from 1.
  const opened = async (nth) => {
    const found = said.filter({ hasText: "is open and active here" }).nth(nth - 1);
    await found.waitFor();
    return found;
  };

  // What came late is dropped.
  await press(await offering("Discard"), "Discard", "Discarded: 1.");
  await gone("Discard");
  await picture(page, "discarded", await hear("Discarded: 1."));

  // After an answer Claude continues.
  await say("echo begun");
  await press(await hear(/^begun/), "Continue", "Claude continues.");
  await hear("You wrote: Continue.");
  assert.equal(await said.filter({ hasText: "too late" }).count(), 0, "what was dropped is not run");

  // What waits is run at once, and what ran ends for it.
  await say("slow 3600");
  await offering("Stop");
  await say("echo at once");
  await press(await offering("Send now"), "Send now", "Running now: “echo at once”");
  await hear("Stopped · shop");
  await hear(/^at once/);
  await hear("The queue is empty.");

  // A plan is approved, and each edit is asked about.
  await say("plan");
  await press(await offering("Approve"), "Approve", "Allowed.");
  await hear("Plan approved · shop");
  await hear("The plan is approved; the mode is default.");

  // The mode is another one, and its buttons are those of the others.
  await say("/mode");
  const modes = await offering("plan");
  assert.deepEqual(await modes.getByRole("button").allTextContents(), ["acceptEdits", "plan"]);
  await picture(page, "mode", modes);
  await press(modes, "plan", "The permission mode of the session in shop is now plan.");
  await say("/mode");
  const others = await offering("default");
  assert.deepEqual(await others.getByRole("button").allTextContents(), ["default", "acceptEdits"]);
  await press(others, "acceptEdits", "The permission mode of the session in shop is now acceptEdits.");
  await say("write notes.md unasked");
  await hear("I wrote it.");
  assert.equal(await page.getByRole("button", { name: "Allow once" }).count(), 0);

  // A session is closed from the list, and a new one opened in its place.
  await say("/list");
  const list = await hear("Your sessions: 2");
  await press(list, "Close");
  const asked = page.getByRole("dialog");
  await asked.getByRole("button", { name: "Cancel" }).click();
  await asked.waitFor({ state: "detached" });
  await press(list, "Close");
  await picture(page, "close-listed");
  await confirm();
  const closed = await hear("The session in shop is closed.");
  await picture(page, "closed", closed);
  await press(closed, "Open a new one here", "Session 2 (shop) is open and active here");
  await picture(page, "opened", await opened(3));
  await say("recall");
  await hear("There is nothing that I remember.");

  // Without a directory the projects of before are offered.
  await say("/new");
  const projects = await hear("Open a session");
  assert.equal(await projects.getByRole("button", { name: "Open", exact: true }).count(), 2);
  await picture(page, "new", projects);
  await press(projects, "Open", "Session 3 (blog) is open and active here");
  await opened(4);
  await say("/list");
  await hear("Your sessions: 3");
});
