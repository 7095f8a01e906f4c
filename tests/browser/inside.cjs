// A page in a real browser: what each script of this folder begins with.
"use strict";
const { mkdirSync, mkdtempSync, rmSync } = require("node:fs");
const { tmpdir } = require("node:os");
const { join } = require("node:path");
const assert = require("node:assert/strict");
const { chromium } = require("playwright-core");

// Only ends a script that hangs.
const PATIENCE = 120_000;

// A phone's, in CSS pixels.
const SCREEN = { width: 390, height: 844 };

const opened = async (executablePath, profile, work) => {
  const args = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
  ];
  const options = { executablePath, args, headless: true, timeout: PATIENCE };
  const browser = await chromium.launchPersistentContext(profile, options);
  browser.setDefaultTimeout(PATIENCE);
  const page = await browser.newPage();
  await page.setViewportSize(SCREEN);
  const complaints = [];
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("dialog", (dialog) => {
    complaints.push(`a dialog opened: ${dialog.message()}`);
    dialog.dismiss();
  });
  try {
    await work(page);
    assert.deepEqual(complaints, []);
  } finally {
    await browser.close();
  }
};

// The phone page at an address: what the bot said, how one writes to it, waits for its newest words like these, and
// presses what it offers.
const phone = async (page, url) => {
  await page.goto(url);
  await page.waitForSelector(".link[data-state=on]");
  const composer = page.getByRole("textbox", { name: "Message" });
  const said = page.locator(".message:not(.own) .bubble");
  const say = async (text) => {
    await composer.fill(text);
    await composer.press("Enter");
    await page.locator("#text:placeholder-shown").waitFor();
  };
  const hear = async (words) => {
    const found = said.filter({ hasText: words }).last();
    await found.waitFor();
    return found;
  };
  // The newest card on which that can be pressed.
  const offering = async (label) => {
    const found = said.filter({ has: page.getByRole("button", { name: label, exact: true }) }).last();
    await found.waitFor();
    return found;
  };
  // Presses the last such button of a card, and is shown this.
  const press = async (card, label, toast) => {
    await card.getByRole("button", { name: label, exact: true }).last().click();
    if (toast) await page.locator("#toast", { hasText: toast }).waitFor();
  };
  const confirm = () => page.getByRole("dialog").getByRole("button", { name: "Confirm" }).click();
  const gone = (label) => page.getByRole("button", { name: label, exact: true }).first().waitFor({ state: "detached" });
  return { said, say, hear, offering, press, confirm, gone };
};

// Writes what is seen to a folder, if PHONEWORK_SCREENSHOTS names one: the phone, tall enough for all of `shown`.
const picture = async (page, name, shown) => {
  const folder = process.env.PHONEWORK_SCREENSHOTS;
  if (!folder) return;
  mkdirSync(folder, { recursive: true });
  const box = await shown?.last().boundingBox();
  await page.setViewportSize({ ...SCREEN, height: Math.max(SCREEN.height, Math.ceil(box?.height ?? 0) + 240) });
  await page.evaluate(() => { document.getElementById("toast").hidden = true; });
  await page.mouse.move(0, 0);
  await shown?.last().scrollIntoViewIfNeeded();
  await page.locator(".phone").screenshot({ path: join(folder, `${name}.png`), animations: "disabled" });
  await page.setViewportSize(SCREEN);
};

// Runs `work(page)` in a browser of its own, then ends the script: well, if the page had nothing to complain about.
const inBrowser = async (executablePath, work) => {
  const profile = mkdtempSync(join(tmpdir(), "phonework-browser-"));
  let code = 0;
  try {
    await opened(executablePath, profile, work);
    console.log("ok");
  } catch (error) {
    console.error(error.stack ?? error);
    code = 1;
  }
  rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  process.exit(code);
};

module.exports = { inBrowser, phone, picture };
