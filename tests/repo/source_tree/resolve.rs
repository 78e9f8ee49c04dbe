//! Resolves paths to items, through imports and re-exports.

use std::collections::HashSet;

use syn::Item;

use super::{Binding, Import, Tree};

/// The target of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// An item of the module, and the rest of the path (a variant, an associated function).
    Item {
        module: usize,
        name: String,
        rest: Vec<String>,
    },
    Module(usize),
    /// A path that begins with another crate, or with a name that this module does not bind.
    Foreign(Vec<String>),
}

type Seen = HashSet<(usize, String)>;

impl Tree {
    /// The items that the path names, seen from the module. A name bound under several conditions
    /// has several.
    pub fn resolve(&self, from: usize, path: &[String], absolute: bool) -> Vec<Target> {
        self.follow(from, path, absolute, &mut Seen::new())
    }

    pub fn resolve_import(&self, from: usize, import: &Import) -> Vec<Target> {
        self.resolve(from, &import.path, import.absolute)
    }

    /// The meaning of the name in the module, also if it is imported.
    pub fn lookup(&self, module: usize, name: &str) -> Vec<Target> {
        self.find(module, name, &mut Seen::new())
    }

    fn follow(&self, from: usize, path: &[String], absolute: bool, seen: &mut Seen) -> Vec<Target> {
        let Some((first, rest)) = path.split_first() else { return Vec::new() };
        let start = match first.as_str() {
            _ if absolute => Vec::new(),
            "crate" => vec![Target::Module(0)],
            "self" => vec![Target::Module(from)],
            "super" => vec![Target::Module(self.modules[from].parent.unwrap_or(0))],
            "Self" => return Vec::new(),
            name => self.find(from, name, seen),
        };
        if start.is_empty() {
            return vec![Target::Foreign(path.to_vec())];
        }
        rest.iter()
            .fold(start, |targets, name| targets.into_iter().flat_map(|target| self.step(target, name, seen)).collect())
    }

    fn step(&self, target: Target, name: &str, seen: &mut Seen) -> Vec<Target> {
        match target {
            Target::Module(module) if name == "super" => vec![Target::Module(self.modules[module].parent.unwrap_or(0))],
            Target::Module(module) => self.find(module, name, seen),
            Target::Item { module, name: item, mut rest } => {
                rest.push(name.to_owned());
                vec![Target::Item { module, name: item, rest }]
            }
            Target::Foreign(mut path) => {
                path.push(name.to_owned());
                vec![Target::Foreign(path)]
            }
        }
    }

    fn find(&self, module: usize, name: &str, seen: &mut Seen) -> Vec<Target> {
        let key = (module, name.to_owned());
        if !seen.insert(key.clone()) {
            return Vec::new();
        }
        let mut found = Vec::new();
        for binding in self.modules[module].names.get(name).into_iter().flatten() {
            match binding {
                Binding::Item => found.push(Target::Item { module, name: name.to_owned(), rest: Vec::new() }),
                Binding::Module(id) => found.push(Target::Module(*id)),
                Binding::Import(import) => found.extend(self.follow(module, &import.path, import.absolute, seen)),
            }
        }
        if found.is_empty() {
            for glob in &self.modules[module].globs {
                for target in self.follow(module, &glob.path, glob.absolute, seen) {
                    match target {
                        Target::Module(other) => found.extend(self.find(other, name, seen)),
                        Target::Item { module, name: item, .. } if self.has_variant(module, &item, name) => {
                            found.push(Target::Item { module, name: item, rest: vec![name.to_owned()] });
                        }
                        _ => {}
                    }
                }
            }
        }
        seen.remove(&key);
        found.dedup();
        found
    }

    fn has_variant(&self, module: usize, item: &str, variant: &str) -> bool {
        self.modules[module].items.iter().any(|candidate| match candidate {
            Item::Enum(candidate) if candidate.ident == item => {
                candidate.variants.iter().any(|candidate| candidate.ident == variant)
            }
            _ => false,
        })
    }
}
