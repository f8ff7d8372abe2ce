// Runs tests/lower/passes/*.txt: a graph, and what one application of the pass that the file is named after makes of
// it.
#include "lower/passes/passes.h"

#include <map>

#include "support/text_cases.h"

namespace crossload::lower {
namespace {

bool all_passes(graph::Graph& graph) {
  run_passes(graph);
  return true;
}

const std::map<std::string, bool (*)(graph::Graph&)> kPasses = {
    {"cancel_reshapes", cancel_reshapes},     {"cancel_transposes", cancel_transposes},
    {"fold_constants", fold_constants},       {"fold_variable_layouts", fold_variable_layouts},
    {"remove_dead_nodes", remove_dead_nodes}, {"sink_reshapes", sink_reshapes},
    {"sink_transposes", sink_transposes},     {"run_passes", all_passes},
    {"keep_rounding", keep_rounding},
};

TEST_CASE("text cases of passes") {
  std::map<std::string, int> counts;
  run_text_cases("tests/lower/passes", [&](const TextCaseFile& file, const TextCase& c) {
    const std::string name = file.path.stem().string();
    REQUIRE(kPasses.contains(name));
    ++counts[name];
    graph::Graph graph = graph::parse(c.input);
    graph::check(graph);
    const std::string before = graph::print(graph);
    const bool changed = kPasses.at(name)(graph);
    graph::check(graph);
    const std::string after = graph::print(graph);
    if (name != "run_passes") CHECK(changed == (before != after));
    return changed && before == after ? "unchanged, but said to be changed\n" : before == after ? "unchanged\n" : after;
  });
  for (const auto& [name, pass] : kPasses) {
    CAPTURE(name);
    CHECK(counts[name] > 0);
  }
}

}  // namespace
}  // namespace crossload::lower
