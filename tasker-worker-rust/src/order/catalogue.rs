//! The shop's goods: a stand-in for a product service.
//!
//! Constant, so that every worker knows the same goods and a step that runs
//! twice sees what it saw before.

/// One article.
#[derive(Debug)]
pub(super) struct Product {
    pub(super) sku: &'static str,
    pub(super) name: &'static str,
    /// An amount of money, as text.
    pub(super) unit_price: &'static str,
    pub(super) weight_grams: u64,
    /// What one order may take; the shelf is filled up again for the next.
    pub(super) in_stock: u32,
}

static PRODUCTS: [Product; 5] = [
    product("KB-104", "Mechanical keyboard", "49.90", 980, 200),
    product("MS-220", "Wireless mouse", "25.50", 110, 500),
    product("MN-270", "27-inch monitor", "219.00", 5_400, 40),
    product("HD-050", "Headphones", "79.95", 310, 120),
    product("CB-002", "USB-C cable, 2 m", "9.99", 60, 2_000),
];

const fn product(
    sku: &'static str,
    name: &'static str,
    unit_price: &'static str,
    weight_grams: u64,
    in_stock: u32,
) -> Product {
    Product {
        sku,
        name,
        unit_price,
        weight_grams,
        in_stock,
    }
}

/// The article of this stock-keeping unit.
pub(super) fn find(sku: &str) -> Option<&'static Product> {
    PRODUCTS.iter().find(|product| product.sku == sku)
}

#[cfg(test)]
mod tests {
    use super::{find, PRODUCTS};
    use crate::order::money::Money;

    #[test]
    fn every_article_is_found_by_its_sku_and_has_a_price() {
        for product in &PRODUCTS {
            assert!(
                std::ptr::eq(find(product.sku).unwrap(), product),
                "{}",
                product.sku
            );
            assert!(product.unit_price.parse::<Money>().unwrap() > Money::ZERO);
        }
    }
}
