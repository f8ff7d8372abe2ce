// The families of shape rules, one file each; `tests/graph` has a case of the same name.
#pragma once

#include "graph/shapes/rule.h"

namespace crossload::graph::shapes {

void add_axes_rules(RuleTable& table);
void add_branches_rules(RuleTable& table);
void add_created_rules(RuleTable& table);
void add_elementwise_rules(RuleTable& table);
void add_indexing_rules(RuleTable& table);
void add_joining_rules(RuleTable& table);
void add_products_rules(RuleTable& table);
void add_sizes_rules(RuleTable& table);
void add_windows_rules(RuleTable& table);

inline void add_all_shape_rules(RuleTable& table) {
  add_axes_rules(table);
  add_branches_rules(table);
  add_created_rules(table);
  add_elementwise_rules(table);
  add_indexing_rules(table);
  add_joining_rules(table);
  add_products_rules(table);
  add_sizes_rules(table);
  add_windows_rules(table);
}

}  // namespace crossload::graph::shapes
