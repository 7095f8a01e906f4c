// The phone page in a real browser: phone.cjs URL BROWSER. A bot that repeats what it hears must be connected, and a
// card with a button `Yes` must be the first message of the first chat.
"use strict";
const assert = require("node:assert/strict");
const { inBrowser } = require("./inside.cjs");

const [url, browser] = process.argv.slice(2);
const attack = `<img src=x onerror="window.hit = 1"><script>window.hit = 2</script>`;

inBrowser(browser, async (page) => {
  await page.goto(url);
  await page.waitForSelector(".link[data-state=on]");

  // A card: drawn, not executed; its button brings the bot's toast.
  const card = page.locator(".bubble.card").first();
  assert.equal(await card.locator("header").textContent(), attack);
  assert.equal(await card.locator("pre code").textContent(), "let x = 1; // <b>");
  assert.equal(await page.locator(".bubble", { hasText: "bad" }).count(), 1);
  assert.equal(await page.locator(".bubble a").count(), 1, "only the http link is one");
  await card.getByRole("button", { name: "Yes" }).click();
  await page.locator("#toast", { hasText: "you said yes" }).waitFor();

  // Shift+Enter begins a line, Enter sends; what was typed is shown as it was typed.
  const composer = page.getByRole("textbox", { name: "Message" });
  await composer.pressSequentially("  first");
  await composer.press("Shift+Enter");
  await composer.pressSequentially(attack);
  await composer.press("Enter");
  const own = page.locator(".message.own .bubble").last();
  await own.waitFor();
  assert.equal(await own.textContent(), `  first\n${attack}`);
  await page.locator("#text:placeholder-shown").waitFor();

  // The bot's answer quotes it and is verbatim too.
  const answer = page.locator(".message:not(.own) .bubble", { hasText: "heard:" });
  await answer.waitFor();
  const quote = await answer.locator(".quote").textContent();
  assert.equal((await answer.textContent()).slice(quote.length), `heard:   first\n${attack}`);
  assert.equal(await page.locator(".bubble script, .bubble img").count(), 0);
  assert.equal(await page.evaluate(() => window.hit), undefined);

  // The group: a mention calls the bot, and it is the second user who speaks.
  await page.getByRole("tab", { name: "The workshop" }).click();
  await page.getByRole("combobox", { name: "Write as" }).selectOption({ label: "Ming" });
  await composer.fill("@phonework hello");
  await composer.press("Enter");
  await page.locator(".bubble", { hasText: "heard: @phonework hello" }).waitFor();

  // The page of another site cannot drive it.
  const refused = await page.request.post(`${url}/phone/say`, { headers: { origin: "http://evil.example" }, data: {} });
  assert.equal(refused.status(), 403);
});
