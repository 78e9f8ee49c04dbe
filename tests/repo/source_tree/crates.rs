//! The crates that a signature names.

use std::collections::BTreeSet;

use syn::{
    Attribute, Fields, Generics, Signature, Type, Visibility,
    visit::{self, Visit},
};

use super::{Target, Tree};

/// The crates that paths in signatures lead to.
pub struct Crates<'a> {
    tree: &'a Tree,
    module: usize,
    found: BTreeSet<String>,
}

impl<'a> Crates<'a> {
    pub fn named_by(part: &dyn Visited, tree: &'a Tree, module: usize) -> BTreeSet<String> {
        let mut crates = Self { tree, module, found: BTreeSet::new() };
        part.visited(&mut crates);
        crates.found
    }
}

impl<'a> Visit<'a> for Crates<'_> {
    fn visit_path(&mut self, path: &'a syn::Path) {
        let names: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        for target in self.tree.resolve(self.module, &names, path.leading_colon.is_some()) {
            // A single name is from the prelude or a type parameter. `T::Item` begins with a
            // parameter.
            if let Target::Foreign(path) = target
                && let [first, _, ..] = path.as_slice()
                && first.starts_with(|c: char| c.is_lowercase())
            {
                self.found.insert(first.clone());
            }
        }
        visit::visit_path(self, path);
    }

    fn visit_attribute(&mut self, _: &'a Attribute) {}

    fn visit_visibility(&mut self, _: &'a Visibility) {}

    fn visit_expr(&mut self, _: &'a syn::Expr) {}
}

/// Part of a signature, to be searched for paths.
pub trait Visited {
    fn visited(&self, crates: &mut Crates<'_>);
}

macro_rules! visited {
    ($($kind:ty: $method:ident),* $(,)?) => {
        $(impl Visited for $kind {
            fn visited(&self, crates: &mut Crates<'_>) {
                crates.$method(self);
            }
        })*
    };
}

visited!(
    Type: visit_type, Generics: visit_generics, Signature: visit_signature, Fields: visit_fields, syn::Path: visit_path,
    syn::TraitItemType: visit_trait_item_type, syn::TypeParamBound: visit_type_param_bound,
);

impl Visited for () {
    fn visited(&self, _: &mut Crates<'_>) {}
}

impl Visited for Vec<&syn::TypeParamBound> {
    fn visited(&self, crates: &mut Crates<'_>) {
        self.iter().for_each(|bound| bound.visited(crates));
    }
}

impl Visited for (&dyn Visited, &Generics, &Type) {
    fn visited(&self, crates: &mut Crates<'_>) {
        self.0.visited(crates);
        self.1.visited(crates);
        self.2.visited(crates);
    }
}
