//! Removes test code.

use syn::{
    Attribute, ImplItem, Meta, Stmt, Token, TraitItem,
    parse::Parser,
    punctuated::{Pair, Punctuated},
    visit_mut::{self, VisitMut},
};

/// Removes test code within an item.
pub struct Tests;

impl VisitMut for Tests {
    fn visit_item_impl_mut(&mut self, item: &mut syn::ItemImpl) {
        item.items.retain(|part| match part {
            ImplItem::Const(part) => is_built(&part.attrs),
            ImplItem::Fn(part) => is_built(&part.attrs),
            ImplItem::Type(part) => is_built(&part.attrs),
            _ => true,
        });
        visit_mut::visit_item_impl_mut(self, item);
    }

    fn visit_item_trait_mut(&mut self, item: &mut syn::ItemTrait) {
        item.items.retain(|part| match part {
            TraitItem::Const(part) => is_built(&part.attrs),
            TraitItem::Fn(part) => is_built(&part.attrs),
            TraitItem::Type(part) => is_built(&part.attrs),
            _ => true,
        });
        visit_mut::visit_item_trait_mut(self, item);
    }

    fn visit_item_enum_mut(&mut self, item: &mut syn::ItemEnum) {
        retain(&mut item.variants, |variant| is_built(&variant.attrs));
        visit_mut::visit_item_enum_mut(self, item);
    }

    fn visit_fields_named_mut(&mut self, fields: &mut syn::FieldsNamed) {
        retain(&mut fields.named, |field| is_built(&field.attrs));
        visit_mut::visit_fields_named_mut(self, fields);
    }

    fn visit_expr_struct_mut(&mut self, value: &mut syn::ExprStruct) {
        retain(&mut value.fields, |field| is_built(&field.attrs));
        visit_mut::visit_expr_struct_mut(self, value);
    }

    fn visit_expr_match_mut(&mut self, value: &mut syn::ExprMatch) {
        value.arms.retain(|arm| is_built(&arm.attrs));
        visit_mut::visit_expr_match_mut(self, value);
    }

    fn visit_block_mut(&mut self, block: &mut syn::Block) {
        block.stmts.retain(|statement| match statement {
            Stmt::Local(statement) => is_built(&statement.attrs),
            Stmt::Item(item) => is_built(super::attributes(item)),
            Stmt::Macro(statement) => is_built(&statement.attrs),
            Stmt::Expr(syn::Expr::Block(statement), _) => is_built(&statement.attrs),
            Stmt::Expr(..) => true,
        });
        visit_mut::visit_block_mut(self, block);
    }
}

fn retain<T>(list: &mut Punctuated<T, Token![,]>, keep: impl Fn(&T) -> bool) {
    *list = std::mem::take(list).into_pairs().filter(|pair| keep(pair.value())).map(Pair::into_value).collect();
}

/// Whether the item may be part of the library: `false` for `#[cfg(test)]` and the like.
pub fn is_built(attributes: &[Attribute]) -> bool {
    attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("cfg"))
        .all(|attribute| attribute.parse_args::<Meta>().ok().and_then(|predicate| holds(&predicate)) != Some(false))
}

/// Whether the predicate holds in the library; `None` if that depends on how it is built.
fn holds(predicate: &Meta) -> Option<bool> {
    match predicate {
        Meta::Path(path) if ["test", "doctest", "fuzzing"].iter().any(|name| path.is_ident(name)) => Some(false),
        Meta::List(list) => {
            let parts = Punctuated::<Meta, Token![,]>::parse_terminated.parse2(list.tokens.clone()).ok()?;
            let parts: Vec<Option<bool>> = parts.iter().map(holds).collect();
            let (decisive, other) = if list.path.is_ident("all") { (false, true) } else { (true, false) };
            match parts.as_slice() {
                [part] if list.path.is_ident("not") => part.map(|holds| !holds),
                parts if parts.contains(&Some(decisive)) => Some(decisive),
                parts if parts.iter().all(|part| *part == Some(other)) => Some(other),
                _ => None,
            }
        }
        _ => None,
    }
}
