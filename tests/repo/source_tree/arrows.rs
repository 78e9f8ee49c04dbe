//! The dependencies between files, and the rules they break.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    fmt,
};

use proc_macro2::{TokenStream, TokenTree};
use syn::{
    Item, Stmt,
    visit::{self, Visit},
};

use super::{Import, Target, Tree, imports, name};

/// The dependencies of a crate.
#[derive(Default)]
pub struct Uses {
    /// From file to file, with the imported names.
    pub arrows: BTreeMap<(String, String), BTreeSet<String>>,
    /// The paths into other crates, with the files that name them.
    pub foreign: BTreeSet<(String, Vec<String>)>,
}

impl Tree {
    /// Follows each path outside tests to the file that defines the item.
    ///
    /// A re-export from a `mod.rs`, or from a file of re-exports only, is not a dependency: the
    /// file that uses the name depends on the definition.
    pub fn uses(&self) -> Uses {
        let mut uses = Uses::default();
        for (id, module) in self.modules.iter().enumerate() {
            let is_room = module.file == "lib.rs" || module.file.ends_with("/mod.rs");
            let is_facade = is_room || module.items.iter().all(|item| matches!(item, Item::Use(_) | Item::Mod(_)));
            let mut reader = Reader { tree: self, module: id, is_facade, blocks: Vec::new(), uses: &mut uses };
            module.items.iter().for_each(|item| reader.visit_item(item));
        }
        uses
    }
}

struct Reader<'a> {
    tree: &'a Tree,
    module: usize,
    is_facade: bool,
    /// The names that the enclosing blocks bind; `None` for an item of the block.
    blocks: Vec<HashMap<String, Option<Import>>>,
    uses: &'a mut Uses,
}

impl Reader<'_> {
    fn path(&mut self, path: &[String], absolute: bool) {
        let local = self.blocks.iter().rev().find_map(|block| block.get(path.first()?));
        match local {
            Some(None) => {}
            Some(Some(import)) => {
                let whole: Vec<String> = import.path.iter().chain(&path[1..]).cloned().collect();
                let absolute = import.absolute;
                self.arrow(&whole, absolute);
            }
            None => self.arrow(path, absolute),
        }
    }

    fn arrow(&mut self, path: &[String], absolute: bool) {
        let file = &self.tree.modules[self.module].file;
        for target in self.tree.resolve(self.module, path, absolute) {
            match target {
                Target::Item { module, name, .. } if self.tree.modules[module].file != *file => {
                    let arrow = (file.clone(), self.tree.modules[module].file.clone());
                    self.uses.arrows.entry(arrow).or_default().insert(name);
                }
                Target::Foreign(path) => drop(self.uses.foreign.insert((file.clone(), path))),
                Target::Item { .. } | Target::Module(_) => {}
            }
        }
    }

    /// The paths in the tokens of a macro call. A field or method (after a dot) is not a path.
    fn tokens(&mut self, tokens: TokenStream) {
        let trees: Vec<TokenTree> = tokens.into_iter().collect();
        let colons = |at: usize| is_punct(trees.get(at), ':') && is_punct(trees.get(at + 1), ':');
        let mut at = 0;
        while at < trees.len() {
            match &trees[at] {
                TokenTree::Group(group) => self.tokens(group.stream()),
                TokenTree::Ident(ident) => {
                    let after_dot =
                        at > 0 && is_punct(trees.get(at - 1), '.') && !(at > 1 && is_punct(trees.get(at - 2), '.'));
                    let lifetime = at > 0 && is_punct(trees.get(at - 1), '\'');
                    let absolute = at > 1 && colons(at - 2);
                    let mut path = vec![ident.to_string()];
                    while colons(at + 1) {
                        let Some(TokenTree::Ident(next)) = trees.get(at + 3) else { break };
                        path.push(next.to_string());
                        at += 3;
                    }
                    if !after_dot && !lifetime {
                        self.path(&path, absolute);
                    }
                }
                _ => {}
            }
            at += 1;
        }
    }
}

fn is_punct(tree: Option<&TokenTree>, mark: char) -> bool {
    matches!(tree, Some(TokenTree::Punct(punct)) if punct.as_char() == mark)
}

impl<'a> Visit<'a> for Reader<'_> {
    fn visit_item_use(&mut self, item: &'a syn::ItemUse) {
        for import in imports(item) {
            if !(self.is_facade && import.is_reexport()) {
                self.arrow(&import.path, import.absolute);
            }
        }
    }

    fn visit_block(&mut self, block: &'a syn::Block) {
        let mut names = HashMap::new();
        for statement in &block.stmts {
            match statement {
                Stmt::Item(Item::Use(item)) => {
                    names.extend(
                        imports(item).into_iter().filter_map(|import| Some((import.name.clone()?, Some(import)))),
                    );
                }
                Stmt::Item(item) => names.extend(name(item).map(|name| (name, None))),
                _ => {}
            }
        }
        self.blocks.push(names);
        visit::visit_block(self, block);
        self.blocks.pop();
    }

    fn visit_path(&mut self, path: &'a syn::Path) {
        let names: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.path(&names, path.leading_colon.is_some());
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'a syn::Macro) {
        self.visit_path(&call.path);
        self.tokens(call.tokens.clone());
    }

    fn visit_attribute(&mut self, _: &'a syn::Attribute) {}

    fn visit_visibility(&mut self, _: &'a syn::Visibility) {}
}

impl Uses {
    /// The cycles: groups of files that depend on each other, with all their dependencies.
    pub fn cycles(&self) -> Vec<String> {
        let mut next: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (from, to) in self.arrows.keys() {
            next.entry(from).or_default().push(to);
        }
        let reached: BTreeMap<&str, BTreeSet<&str>> = next.keys().map(|file| (*file, reachable(&next, file))).collect();
        let reaches = |from: &str, to: &str| reached.get(from).is_some_and(|files| files.contains(to));
        let mut groups: BTreeSet<Vec<&str>> = BTreeSet::new();
        for file in next.keys().filter(|file| reaches(file, file)) {
            groups.insert(next.keys().copied().filter(|other| reaches(file, other) && reaches(other, file)).collect());
        }
        groups.iter().map(|group| self.show(group, &next)).collect()
    }

    fn show(&self, group: &[&str], next: &BTreeMap<&str, Vec<&str>>) -> String {
        let shortest = group.iter().map(|file| way_back(next, file)).min_by_key(Vec::len).unwrap_or_default();
        let mut text = format!("{} files in a circle: {}\n  the shortest way round:\n", group.len(), group.join(", "));
        let line = |from: &str, to: &str| {
            let names = &self.arrows[&(from.to_owned(), to.to_owned())];
            format!("    {from} -> {to}: {}\n", names.iter().map(String::as_str).collect::<Vec<_>>().join(", "))
        };
        for pair in shortest.windows(2) {
            text += &line(pair[0], pair[1]);
        }
        if shortest.len() <= group.len() || group.len() > 2 {
            text += "  all arrows within:\n";
            for from in group {
                for to in next[from].iter().filter(|to| group.contains(to)) {
                    text += &line(from, to);
                }
            }
        }
        text
    }

    /// The dependencies that do not go to a lower floor of a room that both files are in.
    pub fn upward(&self, rooms: &[Room]) -> Vec<String> {
        let mut wrong = BTreeSet::new();
        for ((from, to), names) in &self.arrows {
            for room in rooms {
                let (Some((upper, height)), Some((lower, depth))) = (room.floor(from), room.floor(to)) else {
                    continue;
                };
                if lower != upper && depth >= height {
                    let names = names.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
                    wrong.insert(format!("`{upper}` is not above `{lower}` {room}: {from} -> {to}: {names}"));
                }
            }
        }
        wrong.into_iter().collect()
    }
}

/// A folder of `src`, or `src` itself (`""`), with its floors, the lowest first.
///
/// An entry of a floor is a file or folder of the room, without `.rs`, or a deeper path. The
/// longest matching entry counts. A dependency goes to a lower floor, or stays within its entry.
pub struct Room {
    pub folder: &'static str,
    pub floors: &'static [&'static [&'static str]],
}

impl Room {
    /// The file's entry, and its height.
    fn floor(&self, file: &str) -> Option<(&'static str, usize)> {
        let inside = self.inside(file)?;
        let entries =
            self.floors.iter().enumerate().flat_map(|(height, floor)| floor.iter().map(move |entry| (*entry, height)));
        entries.filter(|(entry, _)| is_in(entry, inside)).max_by_key(|(entry, _)| entry.len())
    }

    fn inside<'a>(&self, file: &'a str) -> Option<&'a str> {
        if self.folder.is_empty() { Some(file) } else { file.strip_prefix(self.folder)?.strip_prefix('/') }
    }

    /// The room's files without a floor, and the entries without a file.
    pub fn disorder(&self, files: &BTreeSet<String>) -> Vec<String> {
        let homeless = files.iter().filter(|file| self.inside(file).is_some() && self.floor(file).is_none());
        let mut wrong: Vec<String> = homeless.map(|file| format!("{file} has no floor {self}")).collect();
        for entry in self.floors.iter().copied().flatten() {
            if !files.iter().any(|file| self.floor(file).is_some_and(|(own, _)| own == *entry)) {
                wrong.push(format!("`{entry}` has a floor {self}, but no file"));
            }
        }
        wrong
    }
}

impl fmt::Display for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.folder.is_empty() { f.write_str("in the crate") } else { write!(f, "in `{}/`", self.folder) }
    }
}

fn is_in(entry: &str, file: &str) -> bool {
    file.strip_prefix(entry).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
}

fn reachable<'a>(next: &BTreeMap<&'a str, Vec<&'a str>>, from: &str) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut queue: Vec<&str> = next.get(from).cloned().unwrap_or_default();
    while let Some(file) = queue.pop() {
        if reached.insert(file) {
            queue.extend(next.get(file).into_iter().flatten());
        }
    }
    reached
}

/// The shortest way from the file back to itself, with the file at both ends.
fn way_back<'a>(next: &BTreeMap<&'a str, Vec<&'a str>>, start: &'a str) -> Vec<&'a str> {
    let mut queue = VecDeque::from([vec![start]]);
    let mut seen = BTreeSet::new();
    while let Some(way) = queue.pop_front() {
        for &to in next.get(way[way.len() - 1]).into_iter().flatten() {
            let longer: Vec<&str> = way.iter().copied().chain([to]).collect();
            if to == start {
                return longer;
            }
            if seen.insert(to) {
                queue.push_back(longer);
            }
        }
    }
    Vec::new()
}
