// A turn that the daemon's end cut short while it asked: cut.cjs URL BROWSER. In the first chat `run echo once` was cut.
"use strict";
const { inBrowser, picture } = require("./inside.cjs");

const [url, browser] = process.argv.slice(2);

inBrowser(browser, async (page) => {
  await page.goto(url);
  await page.waitForSelector(".link[data-state=on]");
  const said = (words) => page.locator(".message:not(.own) .bubble", { hasText: words }).last();
  const cut = said("phonework was interrupted");
  await cut.getByRole("button", { name: "Dismiss" }).waitFor();
  // What was asked before cannot be answered any more, and its card says so.
  await said("Expired").waitFor();
  await page.getByRole("button", { name: "Allow once" }).waitFor({ state: "detached" });
  await picture(page, "cut", cut);
  await cut.getByRole("button", { name: "Run again" }).click();
  await page.locator("#toast", { hasText: "It runs again." }).waitFor();
  await cut.getByRole("button", { name: "Dismiss" }).waitFor({ state: "detached" });
  await page.getByRole("button", { name: "Allow once" }).click();
  await said("The command said:").waitFor();
});
