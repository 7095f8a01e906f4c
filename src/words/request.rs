//! Sentences about Claude's requests: permissions, questions and plans.

use super::{Words, say};
use crate::language::Language;

/// The card of a permission request.
impl Words {
    /// Heading of the card.
    #[must_use]
    pub(crate) fn asks_for(self, tool: &str, project: &str) -> String {
        say!(self, "May Claude use {tool}? · {project}", "允许 Claude 使用 {tool}？ · {project}")
    }

    /// Lines of code are wider than the screen; the widest has this number of columns.
    #[must_use]
    pub(crate) fn goes_on_sideways(self, columns: usize) -> String {
        say!(
            self,
            "Some lines are wider than the screen (up to {columns} columns). Scroll right to see all of them.",
            "有些行超出屏幕（最宽 {columns} 列），请向右滑动查看完整内容。"
        )
    }

    /// The request is too large to be shown in full, so it cannot be allowed here.
    #[must_use]
    pub(crate) fn too_much_to_allow(self) -> String {
        say!(
            self,
            "This is too long to be shown in full, so it cannot be allowed from the chat. Ask Claude to do it in smaller steps.",
            "内容太长，无法在这里完整显示，因此不能在聊天中允许。请让 Claude 分成较小的步骤。"
        )
    }

    /// Claude's own description of a command.
    #[must_use]
    pub(crate) fn claude_says(self, what: &str) -> String {
        say!(self, "Claude says: {what}", "Claude 的说明：{what}")
    }

    /// What accepting edits allows.
    #[must_use]
    pub(crate) fn edits_mean(self) -> String {
        say!(
            self,
            "“Accept edits” means: for the rest of this session, Claude may create, change, move and delete files in the project without asking (also with rm, mv and sed -i).",
            "“接受修改”的意思是：在本会话中，Claude 今后可不经询问在项目中新建、修改、移动和删除文件（包括使用 rm、mv、sed -i）。"
        )
    }

    /// Why Claude Code asks, in its own words.
    #[must_use]
    pub(crate) fn why_asked(self, why: &str) -> String {
        say!(self, "Reason for asking: {why}", "询问原因：{why}")
    }

    /// A path outside of what the session may use.
    #[must_use]
    pub(crate) fn concerns(self, path: &str) -> String {
        say!(self, "Path: {path}", "涉及的路径：{path}")
    }

    /// A subagent asks, not Claude itself.
    #[must_use]
    pub(crate) fn asked_by_subagent(self) -> String {
        say!(self, "One of Claude's subagents is asking.", "由 Claude 的子代理提出。")
    }

    /// When a permission request ends without an answer.
    #[must_use]
    pub(crate) fn decide_until(self, time: &str) -> String {
        say!(self, "No answer by {time} counts as no.", "{time} 前未回答，按拒绝处理。")
    }

    /// What “Always allow” would allow.
    #[must_use]
    pub(crate) fn rule(self, rule: &str) -> String {
        say!(
            self,
            "“Always allow” means, for the rest of this session: {rule}",
            "“总是允许”仅限本会话，规则：{rule}"
        )
    }

    /// Button: allow this call only.
    #[must_use]
    pub(crate) fn allow_button(self) -> String {
        say!(self, "Allow once", "允许一次")
    }

    /// Button: allow everything that the rule covers.
    #[must_use]
    pub(crate) fn allow_rule_button(self) -> String {
        say!(self, "Always allow in this session", "本会话总是允许")
    }

    /// Button: allow all edits from now on.
    #[must_use]
    pub(crate) fn allow_edits_button(self) -> String {
        say!(self, "Accept edits in this session", "本会话接受所有修改")
    }

    /// Button: deny.
    #[must_use]
    pub(crate) fn deny_button(self) -> String {
        say!(self, "Deny", "拒绝")
    }

    /// Button: deny for the reason in the field.
    #[must_use]
    pub(crate) fn deny_why_button(self) -> String {
        say!(self, "Deny with this reason", "按此原因拒绝")
    }

    /// Placeholder of the field for the reason.
    #[must_use]
    pub(crate) fn deny_why_hint(self) -> String {
        say!(self, "Why not, or what to do instead", "原因，或应该怎么做")
    }

    /// How to decide by typing. `further` are the words that `/approve` takes for this request; `open` is the number of
    /// open requests, each of which takes its own.
    #[must_use]
    pub(crate) fn decide_typed(self, further: &[&str], open: usize) -> String {
        match open {
            0 | 1 => {
                let further =
                    if further.is_empty() { String::new() } else { format!(" [{}]", further.join("|")) };
                say!(
                    self,
                    "Or type /approve{further} or /deny [reason].",
                    "也可输入 /approve{further} 允许，或 /deny [原因] 拒绝。"
                )
            }
            _ => say!(
                self,
                "Or type /approve [always|edits] or /deny [reason]. {open} requests are open; the oldest is decided first.",
                "也可输入 /approve [always|edits] 允许，或 /deny [原因] 拒绝。现有 {open} 个请求，先决定最早的。"
            ),
        }
    }

    /// How to deny by typing, for a request that cannot be allowed from a chat.
    #[must_use]
    pub(crate) fn deny_typed(self) -> String {
        say!(self, "Or type /deny [reason].", "也可输入 /deny [原因] 拒绝。")
    }
}

/// What became of a request.
impl Words {
    /// Heading: the request was allowed.
    #[must_use]
    pub(crate) fn allowed(self) -> String {
        say!(self, "Allowed", "已允许")
    }

    /// Heading: the request was denied.
    #[must_use]
    pub(crate) fn denied(self) -> String {
        say!(self, "Denied", "已拒绝")
    }

    /// Heading: the questions were answered.
    #[must_use]
    pub(crate) fn answered(self) -> String {
        say!(self, "Answered", "已回答")
    }

    /// Heading: the questions were skipped.
    #[must_use]
    pub(crate) fn unanswered(self) -> String {
        say!(self, "Not answered", "未回答")
    }

    /// Heading: the plan was approved.
    #[must_use]
    pub(crate) fn approved(self) -> String {
        say!(self, "Plan approved", "计划已批准")
    }

    /// Heading: changes to the plan were requested.
    #[must_use]
    pub(crate) fn kept_planning(self) -> String {
        say!(self, "Plan sent back", "计划已退回")
    }

    /// Heading: nobody decided in time.
    #[must_use]
    pub(crate) fn expired(self) -> String {
        say!(self, "Expired", "已过期")
    }

    /// Heading: Claude no longer needs a decision.
    #[must_use]
    pub(crate) fn withdrawn(self) -> String {
        say!(self, "No longer needed", "已撤回")
    }

    /// Who decided, and at what time of day.
    #[must_use]
    pub(crate) fn by_whom(self, group: bool, time: &str) -> String {
        if group {
            say!(self, "Decided by the session's owner at {time}.", "由会话所有者于 {time} 决定。")
        } else {
            say!(self, "Decided by you at {time}.", "由你于 {time} 决定。")
        }
    }

    /// The rule that was allowed with the decision.
    #[must_use]
    pub(crate) fn rule_made(self, rule: &str) -> String {
        say!(self, "Always allowed in this session: {rule}", "本会话总是允许：{rule}")
    }

    /// Edits were allowed with the decision.
    #[must_use]
    pub(crate) fn edits_accepted(self) -> String {
        say!(
            self,
            "For the rest of this session, Claude changes files without asking.",
            "在本会话中，Claude 今后修改文件不再询问。"
        )
    }

    /// The reason that was given for a denial.
    #[must_use]
    pub(crate) fn reason_given(self, reason: &str) -> String {
        say!(self, "“{reason}”", "“{reason}”")
    }

    /// Nobody decided until this time of day.
    #[must_use]
    pub(crate) fn nobody_decided(self, time: &str) -> String {
        say!(self, "Nobody answered by {time}; that counted as no.", "截至 {time} 无人回答，已按拒绝处理。")
    }

    /// The request was no longer needed from this time of day.
    #[must_use]
    pub(crate) fn withdrawn_at(self, time: &str) -> String {
        say!(self, "The turn continued or ended without it at {time}.", "{time} 起不再需要决定。")
    }

    /// phonework was restarted while the request was open.
    #[must_use]
    pub(crate) fn expired_by_restart(self) -> String {
        say!(
            self,
            "phonework was restarted while this was open, so it can no longer be decided here.",
            "phonework 已重新启动，这里不能再作决定。"
        )
    }

    /// Notice: nobody decided about a permission request in time.
    #[must_use]
    pub(crate) fn approval_expired(self, tool: &str) -> String {
        say!(
            self,
            "⌛ Nobody decided about {tool} in time; that counted as no.",
            "⌛ {tool} 的请求超时未决定，已按拒绝处理。"
        )
    }
}

/// The heading of a reminder.
impl Words {
    /// A permission request still waits.
    #[must_use]
    pub(crate) fn reminder(self, tool: &str, time: &str) -> String {
        say!(
            self,
            "🔐 Claude is still waiting for your decision about {tool}, until {time}. See the card above, or type /approve or /deny [reason].",
            "🔐 Claude 仍在等待你对 {tool} 的决定，截止 {time}。请看上面的卡片，或输入 /approve 或 /deny [原因]。"
        )
    }

    /// Questions still wait.
    #[must_use]
    pub(crate) fn reminder_question(self, time: &str) -> String {
        say!(
            self,
            "❓ Claude is still waiting for your answer, until {time}. See the card above, or type your answer.",
            "❓ Claude 仍在等待你的回答，截止 {time}。请看上面的卡片，或直接输入回答。"
        )
    }

    /// A plan still waits.
    #[must_use]
    pub(crate) fn reminder_plan(self, time: &str) -> String {
        say!(
            self,
            "📋 Claude's plan is still waiting for you, until {time}. See the card above, or type /approve, or type what to change.",
            "📋 Claude 的计划仍在等待你批准，截止 {time}。请看上面的卡片，或输入 /approve，或直接输入要修改的内容。"
        )
    }
}

/// The card of Claude's questions.
impl Words {
    /// Heading of the card.
    #[must_use]
    pub(crate) fn question_head(self, many: usize, project: &str) -> String {
        match many {
            1 => say!(self, "Claude has a question · {project}", "Claude 有一个问题 · {project}"),
            _ => {
                say!(self, "Claude has {many} questions · {project}", "Claude 有 {many} 个问题 · {project}")
            }
        }
    }

    /// When a question or a plan ends without an answer.
    #[must_use]
    pub(crate) fn answer_until(self, time: &str) -> String {
        say!(
            self,
            "If there is no answer by {time}, Claude continues without one.",
            "如果 {time} 前未回答，Claude 将继续，不再等待。"
        )
    }

    /// Placeholder of a menu.
    #[must_use]
    pub(crate) fn choose_hint(self, many: bool) -> String {
        if many {
            say!(self, "Choose one or more", "可选择一项或多项")
        } else {
            say!(self, "Choose one", "选择一项")
        }
    }

    /// Placeholder of the field for a typed answer.
    #[must_use]
    pub(crate) fn own_words_hint(self) -> String {
        say!(self, "Or in your own words", "或用自己的话回答")
    }

    /// Button: send the answers.
    #[must_use]
    pub(crate) fn answer_button(self) -> String {
        say!(self, "Answer", "提交回答")
    }

    /// Button: leave the questions unanswered.
    #[must_use]
    pub(crate) fn skip_button(self) -> String {
        say!(self, "Skip", "跳过")
    }

    /// How to answer a single question by typing.
    #[must_use]
    pub(crate) fn answer_typed(self, many: bool) -> String {
        if many {
            say!(
                self,
                "Or type numbers or labels, separated by commas, or your own words.",
                "也可直接输入：编号或选项（用逗号分隔），或自己的话。"
            )
        } else {
            say!(
                self,
                "Or type a number, a label, or your own words.",
                "也可直接输入：编号、选项，或自己的话。"
            )
        }
    }

    /// How to answer several questions by typing.
    #[must_use]
    pub(crate) fn answers_typed(self, questions: usize) -> String {
        say!(
            self,
            "Or type {questions} lines, one for each question: a number, a label, or your own words. Separate several choices with commas.",
            "也可直接输入 {questions} 行，每个问题一行：编号、选项，或自己的话。多选用逗号分隔。"
        )
    }
}

/// The card of a plan.
impl Words {
    /// Heading of the card.
    #[must_use]
    pub(crate) fn plan_head(self, project: &str) -> String {
        say!(self, "Claude's plan · {project}", "Claude 的计划 · {project}")
    }

    /// In place of a plan without text.
    #[must_use]
    pub(crate) fn no_plan(self) -> String {
        say!(self, "(Claude sent no plan.)", "（Claude 没有给出计划。）")
    }

    /// Button: approve the plan.
    #[must_use]
    pub(crate) fn approve_button(self) -> String {
        say!(self, "Approve", "批准")
    }

    /// Button: approve the plan and all edits it takes.
    #[must_use]
    pub(crate) fn approve_edits_button(self) -> String {
        say!(self, "Approve and accept edits", "批准并接受所有修改")
    }

    /// Button: send the plan back with the changes in the field.
    #[must_use]
    pub(crate) fn keep_planning_button(self) -> String {
        say!(self, "Keep planning", "继续计划")
    }

    /// Placeholder of the field for changes.
    #[must_use]
    pub(crate) fn keep_planning_hint(self) -> String {
        say!(self, "What to change", "需要修改什么")
    }

    /// How to decide about the plan by typing.
    #[must_use]
    pub(crate) fn plan_typed(self) -> String {
        say!(
            self,
            "Or type /approve [edits] to start, or type what to change to send the plan back.",
            "也可输入 /approve [edits] 开始执行；直接输入要修改的内容则退回计划。"
        )
    }
}
