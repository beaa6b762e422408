//! What nobody knows before a start: whether it is refused, how long it takes, and when Spot is taken back.

use placement::pricing::Prices;
use placement::{Capacity, Placement};
use rand::RngExt;
use rand::rngs::StdRng;

/// How many placements there are.
pub const PLACEMENTS: usize = Placement::ALL.len();

/// What really happens to a start on one placement.
#[derive(Clone, Copy)]
pub struct Fate {
    /// The service has no capacity.
    pub refused: bool,
    /// Seconds from the request to the first instruction.
    pub start_seconds: f64,
    /// Seconds from launch until Spot capacity is taken back; infinite on demand.
    pub interrupted_after: f64,
}

/// What a start at one moment comes to on each placement, where Spot is taken back `reclaims_per_hour` times an hour.
pub fn draw(random: &mut StdRng, prices: &Prices, reclaims_per_hour: f64) -> [Fate; PLACEMENTS] {
    // How slow a service is to start at that moment; Spot and on demand share it.
    let slowness: [f64; 3] = random.random();
    Placement::ALL.map(|placement| {
        let start = prices.start_up(placement);
        let slow = match placement.capacity() {
            Capacity::Function => slowness[0],
            Capacity::Fargate => slowness[1],
            Capacity::Instance => slowness[2],
        };
        let hours = -random.random_range(f64::MIN_POSITIVE..1.0_f64).ln() / reclaims_per_hour;
        let spot = placement.is_spot();
        Fate {
            refused: random.random_bool(if spot { 0.05 } else { 0.005 }),
            start_seconds: start.shortest + (start.longest - start.shortest) * slow,
            interrupted_after: if spot { hours * 3_600.0 } else { f64::INFINITY },
        }
    })
}
