//! The properties and tags of card schema 2.0, from Feishu's documentation of each component.

/// At the top of a card.
pub(super) const CARD: &[&str] =
    &["schema", "config", "card_link", "header", "body", "i18n_body", "i18n_header"];

/// Property names that Feishu takes in `config`.
pub(super) const CONFIG: &[&str] = &[
    "streaming_mode",
    "streaming_config",
    "summary",
    "locales",
    "enable_forward",
    "update_multi",
    "width_mode",
    "use_custom_translation",
    "enable_forward_interaction",
    "style",
];

/// Property names that Feishu takes in `header`.
pub(super) const HEADER: &[&str] =
    &["title", "subtitle", "text_tag_list", "i18n_text_tag_list", "template", "icon", "padding"];

/// Property names that Feishu takes in `body`.
pub(super) const BODY: &[&str] = &[
    "direction",
    "padding",
    "horizontal_spacing",
    "horizontal_align",
    "vertical_spacing",
    "vertical_align",
    "elements",
];

/// Properties that every element may have.
pub(super) const EVERY: &[&str] = &["tag", "element_id", "margin"];

/// Properties that hold elements.
pub(super) const LISTS: &[&str] = &["elements", "columns"];

/// What is known of a tag.
#[derive(Clone, Copy)]
pub(super) struct KnownElement {
    /// Beside those of `EVERY`; `None` where they are not checked.
    pub(super) properties: Option<&'static [&'static str]>,
    /// Whether it counts as a level of nesting.
    pub(super) container: bool,
    /// Whether people can press it or fill it in.
    pub(super) interactive: bool,
    /// Whether it may only stand directly in the body.
    pub(super) only_at_root: bool,
}

/// What is known of a tag, if schema 2.0 has it.
pub(super) fn element(tag: &str) -> Option<KnownElement> {
    let plain =
        |properties| KnownElement { properties, container: false, interactive: false, only_at_root: false };
    let container = |properties| KnownElement { container: true, ..plain(properties) };
    let interactive = |properties| KnownElement { interactive: true, ..plain(properties) };
    Some(match tag {
        "markdown" => plain(Some(&["content", "i18n_content", "text_align", "text_size", "icon"])),
        "div" => plain(Some(&["text", "icon", "width"])),
        "hr" => plain(Some(&[])),
        "button" => interactive(Some(BUTTON)),
        "input" => interactive(Some(INPUT)),
        "select_static" | "multi_select_static" => interactive(Some(SELECT)),
        "select_person"
        | "multi_select_person"
        | "select_img"
        | "date_picker"
        | "picker_time"
        | "picker_datetime"
        | "checker" => interactive(None),
        "overflow" => plain(None),
        "column_set" => container(Some(&[
            "flex_mode",
            "background_style",
            "horizontal_spacing",
            "horizontal_align",
            "columns",
            "action",
        ])),
        "column" => plain(Some(&[
            "width",
            "weight",
            "direction",
            "padding",
            "horizontal_spacing",
            "horizontal_align",
            "vertical_spacing",
            "vertical_align",
            "background_style",
            "elements",
            "action",
        ])),
        "collapsible_panel" => container(Some(&[
            "expanded",
            "header",
            "border",
            "background_color",
            "direction",
            "padding",
            "horizontal_spacing",
            "horizontal_align",
            "vertical_spacing",
            "vertical_align",
            "elements",
        ])),
        "form" => KnownElement { only_at_root: true, ..container(Some(FORM)) },
        "interactive_container" => container(None),
        "table" => KnownElement { only_at_root: true, ..plain(None) },
        "img" | "img_combination" | "chart" | "person" | "person_list" | "audio" | "plain_text" => {
            plain(None)
        }
        _ => return None,
    })
}

/// Of a text within an element.
pub(super) const TEXT: &[&str] = &[
    "tag",
    "content",
    "i18n",
    "i18n_content",
    "element_id",
    "text_size",
    "text_color",
    "text_align",
    "lines",
    "icon",
];

/// In the header of a panel that opens.
pub(super) const PANEL_HEADER: &[&str] = &[
    "title",
    "background_color",
    "vertical_align",
    "padding",
    "width",
    "position",
    "icon",
    "icon_position",
    "icon_expanded_angle",
];

/// The colours of a card's head.
pub(super) const TEMPLATES: &[&str] = &[
    "blue",
    "wathet",
    "turquoise",
    "green",
    "yellow",
    "orange",
    "red",
    "carmine",
    "violet",
    "purple",
    "indigo",
    "grey",
    "default",
];

/// The sizes of a text, without those that a card gives names of its own.
pub(super) const TEXT_SIZES: &[&str] = &[
    "heading-0",
    "heading-1",
    "heading-2",
    "heading-3",
    "heading-4",
    "heading",
    "normal",
    "notation",
    "xxxx-large",
    "xxx-large",
    "xx-large",
    "x-large",
    "large",
    "medium",
    "small",
    "x-small",
];

/// How a button may look.
pub(super) const BUTTON_TYPES: &[&str] = &[
    "default",
    "primary",
    "danger",
    "text",
    "primary_text",
    "danger_text",
    "primary_filled",
    "danger_filled",
    "laser",
];

const BUTTON: &[&str] = &[
    "text",
    "type",
    "size",
    "width",
    "icon",
    "hover_tips",
    "disabled",
    "disabled_tips",
    "confirm",
    "behaviors",
    "value",
    "name",
    "required",
    "form_action_type",
];

const INPUT: &[&str] = &[
    "name",
    "placeholder",
    "default_value",
    "label",
    "label_position",
    "required",
    "max_length",
    "input_type",
    "show_icon",
    "rows",
    "auto_resize",
    "max_rows",
    "width",
    "behaviors",
    "disabled",
    "disabled_tips",
    "confirm",
    "value",
    "fallback",
];

const SELECT: &[&str] = &[
    "name",
    "placeholder",
    "options",
    "initial_option",
    "initial_index",
    "selected_values",
    "type",
    "width",
    "required",
    "disabled",
    "confirm",
    "behaviors",
];

const FORM: &[&str] = &[
    "name",
    "elements",
    "direction",
    "padding",
    "horizontal_spacing",
    "horizontal_align",
    "vertical_spacing",
    "vertical_align",
    "confirm",
];
