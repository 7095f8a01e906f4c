//! Reads a [`Keyring`] from YAML.
//!
//! Only the YAML reader knows positions: it adds one to an error that is raised while it is at a value. So every value is
//! judged inside the visitor that reads it, and the fault is handed out beside the error. The text of the error itself is
//! not used, since it may quote the value.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};

use super::draft::{GivenValue, KeyringDraft, ValueKind};
use super::fault::{KeyringFault, TextPosition, UnplacedFault, syntax};
use super::{KEYS, Keyring};

/// Reads a keyring.
///
/// # Errors
/// The first fault in the text.
pub fn parse(text: &str) -> Result<Keyring, KeyringFault> {
    parse_all(text).map_err(|mut faults| faults.swap_remove(0))
}

/// Reads a keyring, and continues after a fault to find the others.
///
/// # Errors
/// The faults in the order of the text: one for each entry, at least one and at most 20.
pub fn parse_all(text: &str) -> Result<Keyring, Vec<KeyringFault>> {
    // Each fault costs one more pass over the text.
    const MAX_FAULTS: usize = 20;
    // YAML allows a byte order mark, and editors on other systems write it.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut faults = Vec::new();
    let mut skip = BTreeMap::new();
    let draft = loop {
        let mut pass = ReadPass::new(&skip, None);
        let Some((fault, entry)) = pass.run(text) else { break Some(pass.draft) };
        faults.push(fault);
        match entry {
            Some((index, key)) if faults.len() < MAX_FAULTS => skip.insert(index, key),
            Some(_) | None => break None,
        };
    };
    faults.sort_by_key(|fault| fault.position);
    let Some(draft) = draft else { return Err(faults) };
    faults.extend(draft.missing());
    if !faults.is_empty() {
        return Err(faults);
    }
    let positions = ["WORKING_DIR", "CLAUDE_COMMAND", "TRUSTED_PROJECTS"]
        .into_iter()
        .filter_map(|key| Some((key, place_of(text, key)?)))
        .collect();
    Ok(draft.finish(positions))
}

/// Where the value of `key` begins, found by stopping a reading there.
fn place_of(text: &str, key: &'static str) -> Option<TextPosition> {
    let skip = BTreeMap::new();
    let (fault, _) = ReadPass::new(&skip, Some(key)).run(text)?;
    fault.position
}

/// An entry of the top-level map: its index, and its key if the key is known.
type MapEntry = (usize, Option<&'static str>);

/// One pass over the text, up to the first fault.
struct ReadPass<'a> {
    draft: KeyringDraft,
    /// The entries in which earlier passes found a fault.
    skip: &'a BTreeMap<usize, Option<&'static str>>,
    stop_at: Option<&'static str>,
    entry: Option<MapEntry>,
    wrong: Option<(Option<String>, UnplacedFault)>,
}

/// The role of a node in the document.
#[derive(Clone)]
enum Role {
    Top,
    Key,
    Value(&'static str),
    Item(&'static str),
    VariableName,
    Variable(String),
    PartName(&'static str),
    Part(&'static str, String),
    PartItem(&'static str, String),
}

impl<'a> ReadPass<'a> {
    fn new(skip: &'a BTreeMap<usize, Option<&'static str>>, stop_at: Option<&'static str>) -> Self {
        Self { draft: KeyringDraft::default(), skip, stop_at, entry: None, wrong: None }
    }

    fn run(&mut self, text: &str) -> Option<(KeyringFault, Option<MapEntry>)> {
        let yaml = serde_yaml::Deserializer::from_str(text);
        let error = Node { pass: self, role: Role::Top }.deserialize(yaml).err()?;
        let position = error
            .location()
            .map(|location| TextPosition { line: location.line(), column: location.column() });
        Some(match self.wrong.take() {
            Some((key, UnplacedFault { problem, expected })) => {
                (KeyringFault { position, key, problem, expected }, self.entry)
            }
            None => {
                (syntax(&error.to_string(), position.or_else(|| second_document_position(text)), text), None)
            }
        })
    }

    fn take(&mut self, role: &Role, given: GivenValue<'_>) -> Result<Option<String>, UnplacedFault> {
        match (role, given) {
            (Role::Top, GivenValue::Nothing) => {
                Err(UnplacedFault::new("is empty", "give FEISHU_APP_ID and FEISHU_APP_SECRET at least"))
            }
            (Role::Top, given) => {
                Err(UnplacedFault::new(given.is(), "write `KEY: value` lines, with a space after the colon"))
            }
            (Role::Key, GivenValue::Text(name)) => self.key(name).map(|()| None),
            (Role::Key, given) => Err(UnplacedFault::new(
                format!("has a key that {}", given.is()),
                "keyring.yaml(5) lists the keys",
            )),
            (Role::Value(key), given) => self.draft.value(key, given).map(|()| None),
            (Role::Item(key), GivenValue::Text(text)) => self.draft.item(key, text).map(|()| None),
            (Role::PartItem(_, name), GivenValue::Text(text)) => {
                self.draft.sandbox_path(name, text).map(|()| None)
            }
            (Role::Item(_) | Role::PartItem(..), given) => {
                Err(UnplacedFault::new(format!("has an item that {}", given.is()), "put each item in quotes"))
            }
            (Role::VariableName, GivenValue::Text(name)) => self.draft.variable_name(name).map(Some),
            (Role::PartName(key), GivenValue::Text(name)) => {
                self.draft.part_name(key, name).map(|name| Some(name.to_owned()))
            }
            (Role::VariableName | Role::PartName(_), given) => {
                Err(UnplacedFault::new(format!("has a name that {}", given.is()), "put it in quotes"))
            }
            (Role::Variable(name), GivenValue::Text(text)) => self.draft.variable(name, text).map(|()| None),
            (Role::Variable(_), given) => Err(UnplacedFault::new(given.is(), "give text, in quotes")),
            (Role::Part("LIMITS", name), given) => self.draft.limit(name, given).map(|()| None),
            (Role::Part(..), given) => {
                Err(UnplacedFault::new(given.is(), "give a list of paths, like [\"/srv/data\"]"))
            }
        }
    }

    fn key(&mut self, name: &str) -> Result<(), UnplacedFault> {
        let known = KEYS.into_iter().find(|key| *key == name);
        if let Some((_, key)) = &mut self.entry {
            *key = known;
        }
        match known {
            Some(key) if !self.draft.seen.insert(key) => {
                Err(UnplacedFault::new("is given twice", "take one of the two out"))
            }
            Some(_) => Ok(()),
            None if name == "<<" => Err(UnplacedFault::new(
                "is YAML's merge key, which is not taken here",
                "write the keys themselves",
            )),
            None => Err(UnplacedFault::new(
                "is no key of the keyring",
                match nearest(name) {
                    Some(key) => format!("the nearest is {key}"),
                    None => "keyring.yaml(5) lists the keys".to_owned(),
                },
            )),
        }
    }

    /// What a fault at `role` is about.
    fn subject(&self, role: &Role, given: GivenValue<'_>) -> Option<String> {
        match (role, given) {
            (Role::Key | Role::VariableName, GivenValue::Text(name)) => {
                // What does not look like a name may be a value that slipped.
                let name_like = (1..=40).contains(&name.len())
                    && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
                let name = if name == "<<" {
                    "`<<`"
                } else if name_like {
                    name
                } else {
                    "a key that cannot be shown"
                };
                Some(if matches!(role, Role::Key) { name.to_owned() } else { format!("CLAUDE_ENV.{name}") })
            }
            (Role::Top | Role::Key, _) => None,
            (Role::Value(key) | Role::Item(key), _) => Some((*key).to_owned()),
            (Role::VariableName, _) => Some("CLAUDE_ENV".to_owned()),
            (Role::Variable(name), _) => Some(format!("CLAUDE_ENV.{name}")),
            (Role::PartName(key), _) => Some((*key).to_owned()),
            (Role::Part(key, name) | Role::PartItem(key, name), _) => Some(format!("{key}.{name}")),
        }
    }
}

/// A node of the document and its role. Reading it returns the name, if the node is the name of an entry.
struct Node<'p, 'a> {
    pass: &'p mut ReadPass<'a>,
    role: Role,
}

impl Node<'_, '_> {
    fn take<E: serde::de::Error>(self, given: GivenValue<'_>) -> Result<Option<String>, E> {
        let taken =
            if self.is_stop() { Err(UnplacedFault::new("", "")) } else { self.pass.take(&self.role, given) };
        taken.map_err(|wrong| {
            self.pass.wrong = Some((self.pass.subject(&self.role, given), wrong));
            E::custom("")
        })
    }

    fn is_stop(&self) -> bool {
        matches!(self.role, Role::Value(key) if self.pass.stop_at == Some(key))
    }

    fn entries<'de, A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let pass = self.pass;
        for index in 0.. {
            if let Some(key) = pass.skip.get(&index) {
                pass.draft.seen.extend(key);
                if map.next_entry::<IgnoredAny, IgnoredAny>()?.is_none() {
                    break;
                }
                continue;
            }
            pass.entry = Some((index, None));
            if map.next_key_seed(Node { pass, role: Role::Key })?.is_none() {
                break;
            }
            let Some((_, Some(key))) = pass.entry else { return Err(A::Error::custom("")) };
            map.next_value_seed(Node { pass, role: Role::Value(key) })?;
        }
        // What is found from here on belongs to no entry.
        pass.entry = None;
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_, '_> {
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_, '_> {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of the keyring")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
        self.take(GivenValue::Text(text))
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Self::Value, E> {
        self.take(GivenValue::Whole(number))
    }

    fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<Self::Value, E> {
        self.take(GivenValue::Number)
    }

    fn visit_u128<E: serde::de::Error>(self, _: u128) -> Result<Self::Value, E> {
        self.take(GivenValue::Number)
    }

    fn visit_i128<E: serde::de::Error>(self, _: i128) -> Result<Self::Value, E> {
        self.take(GivenValue::Number)
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<Self::Value, E> {
        self.take(GivenValue::Number)
    }

    fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<Self::Value, E> {
        self.take(GivenValue::Flag)
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Self::Value, E> {
        self.take(GivenValue::Nothing)
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<Self::Value, E> {
        self.take(GivenValue::Nothing)
    }

    fn visit_enum<A: EnumAccess<'de>>(self, _: A) -> Result<Self::Value, A::Error> {
        self.take(GivenValue::Tag)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let item = if let Role::Part(key @ "SANDBOX_PATHS", name) = &self.role {
            Role::PartItem(key, name.clone())
        } else if let Role::Value(key) = self.role
            && ValueKind::of(key) == ValueKind::Texts
            && !self.is_stop()
        {
            Role::Item(key)
        } else {
            return self.take(GivenValue::List);
        };
        let Self { pass, .. } = self;
        while items.next_element_seed(Node { pass: &mut *pass, role: item.clone() })?.is_some() {}
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        if let Role::Top = self.role {
            return self.entries(map).map(|()| None);
        }
        // A map whose entries have names of their own; all that is inside is taken entry by entry.
        let Role::Value(key) = self.role else { return self.take(GivenValue::Map) };
        let (name_of, parts_of) = match ValueKind::of(key) {
            ValueKind::Variables => (Role::VariableName, None),
            ValueKind::Parts => (Role::PartName(key), Some(key)),
            ValueKind::Text | ValueKind::Time | ValueKind::Count | ValueKind::Texts => {
                return self.take(GivenValue::Map);
            }
        };
        let Self { pass, .. } = self;
        while let Some(name) = map.next_key_seed(Node { pass: &mut *pass, role: name_of.clone() })? {
            let role = match (parts_of, name.unwrap_or_default()) {
                (Some(key), name) => Role::Part(key, name),
                (None, name) => Role::Variable(name),
            };
            map.next_value_seed(Node { pass: &mut *pass, role })?;
        }
        Ok(None)
    }
}

/// The key that a mistyped one was probably meant to be.
fn nearest(name: &str) -> Option<&'static str> {
    let name: String = name.chars().take(64).collect::<String>().to_uppercase().replace(['-', ' '], "_");
    KEYS.into_iter()
        .map(|key| (distance(&name, key), key))
        .filter(|(distance, key)| *distance <= key.len() / 3)
        .min()
        .map(|(_, key)| key)
}

/// How many characters must be put in, taken out or changed to get from one text to the other (Levenshtein).
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (taken, a) in from.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], taken + 1);
        for (at, b) in to.iter().enumerate() {
            let changed = diagonal + usize::from(a != *b);
            diagonal = row[at + 1];
            row[at + 1] = changed.min(row[at] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}

/// The line where a second document begins, if one does.
fn second_document_position(text: &str) -> Option<TextPosition> {
    let mut begun = false;
    for (index, line) in text.lines().enumerate() {
        if line == "---" || line.starts_with("--- ") {
            if begun {
                return Some(TextPosition { line: index + 1, column: 1 });
            }
            begun = true;
        } else if !line.trim().is_empty() && !line.starts_with(['#', '%']) {
            begun = true;
        }
    }
    None
}
