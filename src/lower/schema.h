// ATen schema strings: `aten::leaky_relu(Tensor self, Scalar negative_slope=0.01) -> Tensor`.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "program/program.h"

namespace crossload::lower {

struct SchemaArgument {
  std::string name;
  std::string type;   // `Tensor`, `SymInt[]`, `Scalar?`, without alias annotations
  std::string alias;  // `a` in `Tensor(a!)`; empty when it aliases nothing
  bool is_written = false;
  bool has_default = false;
  program::Argument default_value;
};

/// A parsed schema: the key of a lowering, the source of defaults, and what the operation aliases or writes.
struct Schema {
  std::string text;
  std::string target;  // `aten.leaky_relu.default`, as program::Node::target spells it
  std::vector<SchemaArgument> arguments;
  std::vector<std::string> result_aliases;  // per result the alias set, empty: fresh

  const SchemaArgument* find(std::string_view name) const;
  /// The argument that the operation writes to in place, or null.
  const SchemaArgument* written() const;
  /// The argument that result `i` is a view of, or null.
  const SchemaArgument* viewed(std::size_t i) const;
};

/// Throws `kInternal` for text that is no schema.
Schema parse_schema(std::string_view text);

}  // namespace crossload::lower
