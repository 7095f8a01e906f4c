// Cards in Chinese and cards of long words: chinese.cjs URL BROWSER. The first chat is of somebody with a session in
// `shop`; the bot speaks Chinese, and the practice agent answers.
"use strict";
const assert = require("node:assert/strict");
const { inBrowser, phone, picture } = require("./inside.cjs");

const [url, browser] = process.argv.slice(2);

const answer = `## 结果

解析器会丢掉**最后一行**，见https://example.com/docs/parser?line=12。另见 [说明](https://example.com/a_b)。<b>不是粗体</b>，<at id=all></at> 也不是提醒。

1. 第一步
    - 嵌套的一项，很长很长，长到一行放不下，所以它必须在手机屏幕的边缘之内换行
2. 第二步：\`cargo test --workspace --all-features --locked -- --test-threads=1\`

| 文件 | 行数 | 说明 |
|:--|--:|:--|
| \`src/feishu/connection/reassembly.rs\` | 1234 | 很长的说明文字，需要换行才能看完 |
| \`src/a.rs\` | 7 | 短 |

> 引用的一句话

\`\`\`rust
fn main() { println!("{}", "a line that is longer than any phone is wide, and is scrolled sideways"); }
\`\`\`
`;

inBrowser(browser, async (page) => {
  const { say, hear: heard, press } = await phone(page, url);
  const hear = async (words) => {
    const found = await heard(words);
    // Nothing is wider than the phone but what scrolls by itself.
    assert.equal(await page.evaluate(() => [...document.querySelectorAll(".bubble")].every((each) => each.scrollWidth <= each.clientWidth)), true, words);
    return found;
  };

  await say(`echo ${answer}`);
  const answered = await hear("第二步");
  assert.equal(await answered.locator("b, script, .at").count(), 0);
  await picture(page, "zh-answer", answered);

  await say(`run printf '%s' ${"一个很长的参数".repeat(40)} ${"x".repeat(300)}`);
  let asked = await hear("允许一次");
  await picture(page, "zh-approval", asked);
  await press(asked, "拒绝");
  await hear("已拒绝");

  await say("ask many");
  asked = await hear("提交回答");
  await picture(page, "zh-questions", asked);
  await press(asked, "跳过");
  await hear("You did not answer");

  await say("work 6 in 4");
  await hear("停止");
  await picture(page, "zh-running", await hear("cat step-"));
  await picture(page, "zh-worked", await hear("I have used 6 tools."));

  await say("say 9000 characters");
  await picture(page, "zh-long", await hear("9000 characters"));
  await say("error 429");
  await picture(page, "zh-failed", await hear("失败"));
  await say("/list");
  await picture(page, "zh-list", await hear("你的会话"));
  await say("/status");
  await picture(page, "zh-status", await hear("Claude"));
});
