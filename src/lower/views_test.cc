// What is a view is judged by the schemas alone.
#include "lower/views.h"

#include <doctest/doctest.h>

#include <set>

namespace crossload::lower {
namespace {

// Views that a program may read but not write through: their values differ from those of the base, an element occurs
// more than once, or the inverse has not been needed yet.
const std::set<std::string_view> kReadOnly = {
    "aten._conj.default",     "aten.broadcast_to.default",    "aten.conj.default",         "aten.expand.default",
    "aten.expand_as.default", "aten.feature_dropout.default", "aten.imag.default",         "aten.movedim.int",
    "aten.real.default",      "aten.resolve_conj.default",    "aten.split.sizes",          "aten.tensor_split.sections",
    "aten.unfold.default",    "aten.view_as_complex.default", "aten.view_as_real.default",
};

TEST_CASE("a write goes back through every view by its schema, or is known not to") {
  std::set<std::string_view> by_schema;
  for (const OpTable::Entry* entry : OpTable::all().sorted()) {
    if (entry->schema.viewed(0) != nullptr) by_schema.insert(entry->schema.target);
  }
  std::set<std::string_view> known = kReadOnly;
  for (const std::string_view target : views_with_way_back()) {
    CAPTURE(target);
    CHECK(known.insert(target).second);
  }
  CHECK(known == by_schema);
}

}  // namespace
}  // namespace crossload::lower
