// Embeddings of positions that are no weights but sines, which one side stores and the other does not.
#pragma once

#include <cstdint>
#include <vector>

#include "names/exceptions.h"

namespace crossload::names {

/// A matrix of `rows` positions; of frequencies width / 2, rounded up, whatever the rows. REQUIRES: padding_row is a
/// row, or negative for none.
std::vector<float> sines(SinesForm form, int64_t rows, int64_t width, int64_t padding_row);

}  // namespace crossload::names
