//! Tokens as one line of text, spaced as rustfmt does it.

use std::collections::BTreeSet;

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Attribute, Fields, Signature};

pub fn text(tokens: impl ToTokens) -> String {
    let mut pieces = Vec::new();
    flatten(tokens.to_token_stream(), &mut pieces);
    let mut line = String::new();
    for (at, piece) in pieces.iter().enumerate() {
        let before = at.checked_sub(1).map_or("", |at| pieces[at].as_str());
        // A trailing comma in a list that was on several lines.
        let trailing =
            piece == "," && pieces.get(at + 1).is_some_and(|next| matches!(next.as_str(), ")" | ">" | "]" | "}"));
        let single = trailing && is_tuple_of_one(&pieces[..at]);
        let last = piece == "," && at + 1 == pieces.len();
        if (trailing && !single) || last {
            continue;
        }
        if !line.is_empty() && has_space(before, piece) {
            line.push(' ');
        }
        line.push_str(piece);
    }
    line
}

/// `(A,)`: here the comma matters.
fn is_tuple_of_one(before: &[String]) -> bool {
    let mut depth = 0;
    for (at, piece) in before.iter().enumerate().rev() {
        match piece.as_str() {
            ")" | "]" | "}" | ">" => depth += 1,
            "(" if depth == 0 => {
                let is_call =
                    |piece: &String| piece != "->" && piece.ends_with(|c: char| c.is_alphanumeric() || c == '>');
                return !at.checked_sub(1).is_some_and(|at| is_call(&before[at]));
            }
            "," if depth == 0 => return false,
            "(" | "[" | "{" | "<" => depth -= 1,
            _ => {}
        }
    }
    false
}

fn flatten(tokens: TokenStream, pieces: &mut Vec<String>) {
    let mut joint = false;
    for tree in tokens {
        let mut next_joint = false;
        match tree {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                };
                pieces.push(open.to_owned());
                flatten(group.stream(), pieces);
                pieces.push(close.to_owned());
            }
            TokenTree::Punct(punct) => {
                let mark = punct.as_char();
                let joins = joint
                    && pieces.last().is_some_and(|last| {
                        matches!((last.as_str(), mark), (":", ':') | ("-" | "=", '>') | ("." | "..", '.') | ("..", '='))
                    });
                match pieces.last_mut() {
                    Some(last) if joins => last.push(mark),
                    _ => pieces.push(mark.to_string()),
                }
                next_joint = punct.spacing() == proc_macro2::Spacing::Joint;
            }
            other => match pieces.last_mut() {
                Some(last) if last == "'" => last.push_str(&other.to_string()),
                _ => pieces.push(other.to_string()),
            },
        }
        joint = next_joint;
    }
    pieces.retain(|piece| !piece.is_empty());
}

fn has_space(before: &str, piece: &str) -> bool {
    let tight_after = ["(", "[", "<", "::", "&", ".", "#", "!", "?", "*"].contains(&before);
    let tight_before = [",", ";", ":", ")", "]", ">", "::", ".", "?", "!"].contains(&piece);
    let call =
        ["(", "<"].contains(&piece) && !["->", "=", ",", "+", ":", "for", "impl", "dyn", "as", "mut"].contains(&before);
    let generic = piece == "<" && ["impl", "for"].contains(&before);
    let path = piece == "::" || before == "::";
    let index = piece == "[" && ["#"].contains(&before);
    let question = piece == "?" && ["+", ":", "dyn"].contains(&before);
    if question {
        return true;
    }
    if call {
        return before.starts_with('\'');
    }
    !(tight_after || tight_before || generic || path || index)
}

/// The attributes and conditions that concern a user.
pub fn notes(attributes: &[Attribute], cfg: &BTreeSet<String>) -> String {
    let told = ["deprecated", "must_use", "non_exhaustive"];
    let told = told.iter().filter(|name| attributes.iter().any(|attribute| attribute.path().is_ident(name)));
    let mut notes: Vec<String> = told.map(|name| format!("#[{name}]")).collect();
    notes.extend(cfg.iter().map(|condition| format!("#[cfg({condition})]")));
    notes.iter().map(|note| format!(" {note}")).collect()
}

/// The signature without `mut`, which concerns only the function's body.
pub fn signature(signature: &Signature) -> String {
    let mut plain = signature.clone();
    for input in &mut plain.inputs {
        match input {
            syn::FnArg::Receiver(receiver) if receiver.reference.is_none() => receiver.mutability = None,
            syn::FnArg::Typed(argument) => {
                if let syn::Pat::Ident(pattern) = &mut *argument.pat {
                    pattern.mutability = None;
                }
            }
            syn::FnArg::Receiver(_) => {}
        }
    }
    text(plain)
}

pub fn without_attributes(fields: &Fields) -> Fields {
    let mut fields = fields.clone();
    fields.iter_mut().for_each(|field| field.attrs.clear());
    fields
}
