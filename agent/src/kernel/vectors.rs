//! Rates of vectors: one element for each vector of each element of the policies, and a bucket for each of each slot.

use xdp_common::{
    Vector, map_name,
    vector::{VectorBucket, VectorLocal},
};

use super::{addresses::on_each_cpu, convert, maps::Maps};
use crate::{
    tables::{Result, Vectors},
    vectors::VectorRates,
};

/// The rates of an element of the policies.
pub(super) fn read(maps: &Maps, element: u32) -> Result<Vectors> {
    let mut rates = [VectorRates::default(); Vector::ALL.len()];
    for (rates, vector) in rates.iter_mut().zip(Vector::ALL) {
        let limit = maps
            .vector_limits
            .get(&vector.place(element), 0)
            .map_err(|error| convert::failed("read", map_name::VECTOR_LIMITS, &error))?;
        *rates = convert::vector_back(limit);
    }
    Ok(Vectors::from_each(|vector| rates[vector as usize]))
}

/// Writes them; the element must not hold.
pub(super) fn write(maps: &mut Maps, element: u32, vectors: &Vectors) -> Result<()> {
    for vector in Vector::ALL {
        maps.vector_limits
            .set(vector.place(element), convert::vector(vectors.of(vector)), 0)
            .map_err(|error| convert::failed("write", map_name::VECTOR_LIMITS, &error))?;
    }
    Ok(())
}

/// Empties the buckets of a slot.
pub(super) fn clean(maps: &mut Maps, slot: u32) -> Result<()> {
    for vector in Vector::ALL {
        let place = vector.place(slot);
        maps.vector_rate
            .set(place, VectorBucket::default(), 0)
            .map_err(|error| convert::failed("write", map_name::VECTOR_RATE, &error))?;
        maps.vector_cpu
            .set(place, on_each_cpu(VectorLocal::default())?, 0)
            .map_err(|error| convert::failed("write", map_name::VECTOR_CPU, &error))?;
    }
    Ok(())
}
