// Turns that the daemon's end cut short while they asked: cut.cjs URL BROWSER. In the first chat `run echo once` was cut,
// in the second `run echo never`.
"use strict";
const { inBrowser, phone, picture } = require("./inside.cjs");

const [url, browser] = process.argv.slice(2);

inBrowser(browser, async (page) => {
  const { hear, press, gone } = await phone(page, url);
  const cut = await hear("phonework was interrupted");
  await cut.getByRole("button", { name: "Dismiss" }).waitFor();
  // What was asked before cannot be answered any more, and its card says so.
  await hear("Expired");
  await gone("Allow once");
  await picture(page, "cut", cut);
  await press(cut, "Run again", "Running it again.");
  await gone("Dismiss");
  await page.getByRole("button", { name: "Allow once" }).click();
  await hear("The command said:");

  // Another one leaves it at that.
  await page.getByRole("tab", { name: "Ming" }).click();
  await press(await hear("phonework was interrupted"), "Dismiss", "Dismissed.");
  await gone("Dismiss");
  await gone("Run again");
  await picture(page, "dismissed", await hear("Dismissed."));
});
