//! About what Claude asks: permissions, questions, plans.

use super::{Words, say};
use crate::language::Language;

impl Words {
    /// The head of a permission request's card.
    #[must_use]
    pub fn asks_for(self, tool: &str, project: &str) -> String {
        say!(self, "May Claude use {tool}? · {project}", "允许 Claude 使用 {tool}？ · {project}")
    }

    /// That lines of code are cut off by the screen's edge, and how wide the widest is.
    #[must_use]
    pub fn goes_on_sideways(self, columns: usize) -> String {
        say!(
            self,
            "Lines go on to the right, up to {columns} columns: look at all of them.",
            "有的行在右侧还有内容（最宽 {columns} 列），请横向滑动看完整。"
        )
    }

    /// That a request fills more than a chat can show whole, and so cannot be allowed there.
    #[must_use]
    pub fn too_much_to_allow(self) -> String {
        say!(
            self,
            "This is more than can be shown whole here, so it cannot be allowed from the chat. Tell Claude to do it in smaller steps.",
            "内容太多，无法在这里完整显示，因此不能在聊天中允许。请让 Claude 分成较小的步骤。"
        )
    }

    /// What Claude says that a command is for.
    #[must_use]
    pub fn claude_says(self, what: &str) -> String {
        say!(self, "Claude says: {what}", "Claude 的说明：{what}")
    }

    /// How far "accept edits" goes.
    #[must_use]
    pub fn edits_mean(self) -> String {
        say!(
            self,
            "“Accept edits” is for this session and means: Claude creates, changes, moves and deletes files in the project unasked (also by rm, mv, sed -i).",
            "“接受修改”仅限本会话：Claude 今后可不经询问在项目中新建、修改、移动和删除文件（包括 rm、mv、sed -i）。"
        )
    }

    /// Why Claude Code asks, in its words.
    #[must_use]
    pub fn why_asked(self, why: &str) -> String {
        say!(self, "Why it asks: {why}", "询问原因：{why}")
    }

    /// A path outside of what the session may touch.
    #[must_use]
    pub fn concerns(self, path: &str) -> String {
        say!(self, "It concerns {path}", "涉及 {path}")
    }

    /// That it is one of Claude's subagents who asks.
    #[must_use]
    pub fn asked_by_subagent(self) -> String {
        say!(self, "A subagent of Claude's asks.", "由 Claude 的子代理提出。")
    }

    /// Until what time of day there is an answer to be given.
    #[must_use]
    pub fn decide_until(self, time: &str) -> String {
        say!(self, "Until {time}; then Claude is told no.", "有效至 {time}，逾期按拒绝处理。")
    }

    /// Until what time of day a question or a plan waits.
    #[must_use]
    pub fn answer_until(self, time: &str) -> String {
        say!(
            self,
            "Until {time}; then Claude goes on without an answer.",
            "有效至 {time}，逾期 Claude 将不等回答。"
        )
    }

    /// The rule that "always allow" would make.
    #[must_use]
    pub fn rule(self, rule: &str) -> String {
        say!(self, "“Always” is for this session and means: {rule}", "“总是允许”仅限本会话，规则：{rule}")
    }

    /// The button that allows once.
    #[must_use]
    pub fn allow_button(self) -> String {
        say!(self, "Allow once", "允许一次")
    }

    /// The button that allows what the rule covers.
    #[must_use]
    pub fn allow_rule_button(self) -> String {
        say!(self, "Always allow in this session", "本会话总是允许")
    }

    /// The button that allows all edits from now on.
    #[must_use]
    pub fn allow_edits_button(self) -> String {
        say!(self, "Accept edits in this session", "本会话接受所有修改")
    }

    /// The button that denies.
    #[must_use]
    pub fn deny_button(self) -> String {
        say!(self, "Deny", "拒绝")
    }

    /// The button that denies and gives the reason.
    #[must_use]
    pub fn deny_why_button(self) -> String {
        say!(self, "Deny and say why", "拒绝并说明原因")
    }

    /// What is seen in the reason's field before anything is typed.
    #[must_use]
    pub fn deny_why_hint(self) -> String {
        say!(self, "Why not, or what to do instead", "原因，或应该怎么做")
    }

    /// Allowed, in a word.
    #[must_use]
    pub fn allowed(self) -> String {
        say!(self, "Allowed", "已允许")
    }

    /// Denied, in a word.
    #[must_use]
    pub fn denied(self) -> String {
        say!(self, "Denied", "已拒绝")
    }

    /// Answered, in a word.
    #[must_use]
    pub fn answered(self) -> String {
        say!(self, "Answered", "已回答")
    }

    /// Approved, in a word.
    #[must_use]
    pub fn approved(self) -> String {
        say!(self, "Plan approved", "计划已批准")
    }

    /// Sent back, in words.
    #[must_use]
    pub fn kept_planning(self) -> String {
        say!(self, "Plan sent back", "计划已退回")
    }

    /// Expired, in a word.
    #[must_use]
    pub fn expired(self) -> String {
        say!(self, "Expired", "已过期")
    }

    /// No longer asked, in words.
    #[must_use]
    pub fn withdrawn(self) -> String {
        say!(self, "No longer asked", "已撤回")
    }

    /// Who decided at what time of day.
    #[must_use]
    pub fn by_whom(self, group: bool, time: &str) -> String {
        if group {
            say!(self, "By the session's owner at {time}.", "由会话所有者于 {time} 决定。")
        } else {
            say!(self, "By you at {time}.", "由你于 {time} 决定。")
        }
    }

    /// The rule that was made with the decision.
    #[must_use]
    pub fn rule_made(self, rule: &str) -> String {
        say!(self, "Always allowed in this session: {rule}", "本会话总是允许：{rule}")
    }

    /// That edits are accepted from now on.
    #[must_use]
    pub fn edits_accepted(self) -> String {
        say!(
            self,
            "Changes to files need no question in this session from now on.",
            "本会话的文件修改今后不再询问。"
        )
    }

    /// What was said with a denial.
    #[must_use]
    pub fn reason_given(self, reason: &str) -> String {
        say!(self, "“{reason}”", "“{reason}”")
    }

    /// That nobody decided until this time of day.
    #[must_use]
    pub fn nobody_decided(self, time: &str) -> String {
        say!(self, "Nobody decided until {time}; Claude was told no.", "截至 {time} 无人决定，已按拒绝处理。")
    }

    /// That the request went away at this time of day.
    #[must_use]
    pub fn withdrawn_at(self, time: &str) -> String {
        say!(self, "The turn went on or ended without it, at {time}.", "{time} 起不再需要决定。")
    }

    /// Not answered, in words.
    #[must_use]
    pub fn unanswered(self) -> String {
        say!(self, "Not answered", "未回答")
    }

    /// That the daemon was started anew while the request was open.
    #[must_use]
    pub fn expired_by_restart(self) -> String {
        say!(
            self,
            "phonework was started anew while this was open; nothing can be decided here any more.",
            "phonework 已重新启动，这里不能再作决定。"
        )
    }

    /// That a request still waits.
    #[must_use]
    pub fn reminder(self, tool: &str, time: &str) -> String {
        say!(
            self,
            "🔐 Claude still waits for your decision about {tool}, until {time}: see its card above, or /approve, /deny [why].",
            "🔐 Claude 仍在等待你对 {tool} 的决定，有效至 {time}：请看上面的卡片，或用 /approve、/deny [原因]。"
        )
    }

    /// That a question still waits.
    #[must_use]
    pub fn reminder_question(self, time: &str) -> String {
        say!(
            self,
            "❓ Claude still waits for your answer, until {time}: see its card above, or type the answer.",
            "❓ Claude 仍在等待你的回答，有效至 {time}：请看上面的卡片，或直接输入回答。"
        )
    }

    /// That a plan still waits.
    #[must_use]
    pub fn reminder_plan(self, time: &str) -> String {
        say!(
            self,
            "📋 Claude's plan still waits for you, until {time}: see its card above, or /approve, or type what to change.",
            "📋 Claude 的计划仍在等待你批准，有效至 {time}：请看上面的卡片，或用 /approve，或直接输入要修改的内容。"
        )
    }

    /// The head of the card of Claude's questions.
    #[must_use]
    pub fn question_head(self, many: usize, project: &str) -> String {
        match many {
            1 => say!(self, "Claude asks · {project}", "Claude 提问 · {project}"),
            _ => {
                say!(self, "Claude asks {many} questions · {project}", "Claude 有 {many} 个问题 · {project}")
            }
        }
    }

    /// What is seen in a choice before anything is chosen.
    #[must_use]
    pub fn choose_hint(self, many: bool) -> String {
        if many {
            say!(self, "Choose one or several", "可选择一项或多项")
        } else {
            say!(self, "Choose one", "选择一项")
        }
    }

    /// What is seen in the field for an answer in one's own words.
    #[must_use]
    pub fn own_words_hint(self) -> String {
        say!(self, "Or in your own words", "或用自己的话回答")
    }

    /// The button that sends the answers.
    #[must_use]
    pub fn answer_button(self) -> String {
        say!(self, "Answer", "提交回答")
    }

    /// The button that leaves a question without an answer.
    #[must_use]
    pub fn skip_button(self) -> String {
        say!(self, "Skip", "跳过")
    }

    /// How to answer by typing: one question, of one or several options.
    #[must_use]
    pub fn answer_typed(self, many: bool) -> String {
        if many {
            say!(
                self,
                "Or type: numbers or labels with commas between them, or your own words",
                "也可直接输入：编号或选项，用逗号分隔，或自己的话"
            )
        } else {
            say!(
                self,
                "Or type: a number, a label, or your own words",
                "也可直接输入：编号、选项，或自己的话"
            )
        }
    }

    /// How to answer several questions by typing.
    #[must_use]
    pub fn answers_typed(self, questions: usize) -> String {
        say!(
            self,
            "Or type {questions} lines, one for each question: a number, a label, or your own words; several with commas between them",
            "也可直接输入 {questions} 行，每个问题一行：编号、选项，或自己的话；多选用逗号分隔"
        )
    }

    /// The head of a plan's card.
    #[must_use]
    pub fn plan_head(self, project: &str) -> String {
        say!(self, "Claude's plan · {project}", "Claude 的计划 · {project}")
    }

    /// In place of a plan that Claude did not send.
    #[must_use]
    pub fn no_plan(self) -> String {
        say!(self, "(Claude sent no plan.)", "（Claude 没有给出计划。）")
    }

    /// The button that approves a plan.
    #[must_use]
    pub fn approve_button(self) -> String {
        say!(self, "Approve", "批准")
    }

    /// The button that approves a plan and all its edits.
    #[must_use]
    pub fn approve_edits_button(self) -> String {
        say!(self, "Approve and accept edits", "批准并接受所有修改")
    }

    /// The button that sends a plan back.
    #[must_use]
    pub fn keep_planning_button(self) -> String {
        say!(self, "Keep planning", "继续计划")
    }

    /// What is seen in the field of what is to be changed.
    #[must_use]
    pub fn keep_planning_hint(self) -> String {
        say!(self, "What is to be changed", "需要修改什么")
    }

    /// How to decide about a plan by typing.
    #[must_use]
    pub fn plan_typed(self) -> String {
        say!(
            self,
            "/approve [edits] begins · type what is to be changed to send it back",
            "/approve [edits] 开始执行 · 直接输入要修改的内容则退回"
        )
    }
}
