// Cards on the phone page, whatever bot sent them: cards.cjs URL BROWSER. The first chat holds a card of texts, one of
// buttons, one with a form, and a file; each press is answered with what it carried.
"use strict";
const assert = require("node:assert/strict");
const { inBrowser, picture } = require("./inside.cjs");

const [url, browser] = process.argv.slice(2);

inBrowser(browser, async (page) => {
  await page.goto(url);
  await page.waitForSelector(".link[data-state=on]");
  const card = (words) => page.locator(".bubble.card", { hasText: words });
  const told = async (expected) => {
    await page.locator("#toast", { hasText: JSON.stringify(expected) }).waitFor();
  };

  const texts = card("What I found");
  assert.equal(await texts.locator("h2").textContent(), "What I found");
  assert.equal(await texts.locator("pre .added").textContent(), "+2 is a line that is longer than any phone is wide, and is scrolled");
  assert.equal(await texts.locator("pre .removed").count(), 1);
  assert.equal(await texts.locator("td").count(), 4);
  assert.equal(await texts.locator("b, script").count(), 0);
  assert.match(await texts.textContent(), /<b>not bold<\/b>/);
  assert.match(await texts.textContent(), /as it is: <b> \*no\* &#60;\n {2}indented/);
  assert.equal(await texts.locator("p br").count(), 1, "two spaces at the end of a line break it");
  assert.equal(await texts.getByText("running 3 tests").isVisible(), false);
  await texts.getByText("cargo test").first().click();
  await texts.getByText("running 3 tests").waitFor();
  // Nothing is wider than the phone but what scrolls by itself.
  assert.equal(await page.evaluate(() => [...document.querySelectorAll(".bubble")].every((each) => each.scrollWidth <= each.clientWidth)), true);
  await picture(page, "texts", texts);

  const buttons = card("May I run this?");
  assert.equal(await buttons.getByRole("button", { name: "Not now" }).isDisabled(), true);
  await buttons.getByRole("button", { name: "Allow once" }).click();
  await told({ form: null, value: { allow: 1 } });
  await picture(page, "buttons", buttons);
  // What destroys something asks before; no is no.
  await buttons.getByRole("button", { name: "Close session" }).click();
  const asked = page.getByRole("dialog", { name: "Close session" });
  assert.match(await asked.textContent(), /What it remembers is lost\./);
  await picture(page, "confirm");
  await asked.getByRole("button", { name: "Cancel" }).click();
  await asked.waitFor({ state: "detached" });
  await buttons.getByRole("button", { name: "Switch" }).click();
  await told({ form: null, value: { switch: 2 } });
  await buttons.getByRole("button", { name: "Close session" }).click();
  await asked.getByRole("button", { name: "Confirm" }).click();
  await told({ form: null, value: { close: 1 } });

  const form = card("Two questions");
  await form.getByRole("button", { name: "Choose one" }).click();
  await page.getByRole("option", { name: "Green" }).click();
  await form.getByRole("button", { name: "Choose some" }).click();
  for (const part of ["Code", "文档"]) await page.getByRole("option", { name: part }).click();
  await picture(page, "options");
  await page.getByRole("button", { name: "Done" }).click();
  await form.getByPlaceholder("In your own words").fill("and the rest");
  await picture(page, "form", form);
  await form.getByRole("button", { name: "Send" }).click();
  await told({ form: { q0: "Green", q1: ["Code", "文档"], w1: "and the rest" }, value: { answer: true } });

  await page.getByRole("button", { name: "answer.md" }).click();
  const file = page.getByRole("dialog", { name: "answer.md" });
  await file.locator("pre", { hasText: "<b>not bold</b> 全文" }).waitFor();
  await picture(page, "file");
  await file.getByRole("button", { name: "Close" }).click();

  await buttons.getByRole("button", { name: "Stream" }).click();
  const streamed = card("It grows word by word, 一个字一个字地");
  await streamed.waitFor();
  assert.equal(await streamed.locator("strong").textContent(), "grows");
  await page.locator(".typing").waitFor({ state: "detached" });
});
