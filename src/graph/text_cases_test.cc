// Runs tests/graph/*.txt. A case is a graph in text form, a line `---`, and what `print` makes of it once types and
// shapes are inferred; in a case named bad-*, what `check` or `parse` says. CROSSLOAD_BLESS=1 rewrites the second part.
#include "support/text_cases.h"

#include <doctest/doctest.h>

#include "graph/graph.h"

namespace crossload::graph {
namespace {

std::string outcome(const std::string& input) {
  try {
    const Graph graph = parse(input);
    check(graph);
    const std::string text = print(graph);
    CHECK(print(parse(text)) == text);
    return text;
  } catch (const Error& error) {
    return text_of(error);
  }
}

TEST_CASE("text cases of graphs") {
  const auto files = text_case_files("tests/graph");
  REQUIRE(files.size() > 5);
  for (const auto& file : files) {
    CAPTURE(file.filename().string());
    const TextCase text = read_single_case(file);
    const std::string found = outcome(text.input);
    compare_single_case(file, text, found);
    CHECK(found.starts_with("error: ") == file.filename().string().starts_with("bad-"));
  }
}

}  // namespace
}  // namespace crossload::graph
