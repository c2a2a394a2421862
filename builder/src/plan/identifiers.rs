//! GUIDs and UUIDs, all from one seed, so that the same recipe gives the same image.

use uuid::Uuid;

use crate::recipe::Recipe;

/// Namespace of the project, drawn once. It must never change: images would get other identifiers.
const NAMESPACE: Uuid = Uuid::from_u128(0x6b1f_38a4_70d2_5c8e_9a43_b00b_77e1_69d5);

/// Derives identifiers by role.
#[derive(Debug, Clone, Copy)]
pub(super) struct Identifiers {
    seed: Uuid,
}

impl Identifiers {
    /// Makes the seed of a recipe, from its name, suite and architecture.
    pub(super) fn new(recipe: &Recipe) -> Self {
        let architecture = recipe.architecture.debian();
        // None of the three may hold a slash.
        let name = format!("{}/{}/{architecture}", recipe.name.value, recipe.distribution.suite.value);
        Self { seed: Uuid::new_v5(&NAMESPACE, name.as_bytes()) }
    }

    /// Returns the seed itself.
    pub(super) fn seed(self) -> Uuid {
        self.seed
    }

    /// Returns the identifier of a role, for example `filesystem /`.
    pub(super) fn of(self, role: &str) -> Uuid {
        Uuid::new_v5(&self.seed, role.as_bytes())
    }
}
