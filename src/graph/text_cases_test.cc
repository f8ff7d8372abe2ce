// Runs tests/graph/*.txt. A case is a graph in text form, a line `---`, and what `print` makes of it once types and
// shapes are inferred; in a case named bad-*, what `check` or `parse` says. CROSSLOAD_BLESS=1 rewrites the second part.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/error.h"
#include "graph/graph.h"

namespace crossload::graph {
namespace {

namespace fs = std::filesystem;

std::string outcome(const std::string& input) {
  try {
    const Graph graph = parse(input);
    check(graph);
    const std::string text = print(graph);
    CHECK(print(parse(text)) == text);
    return text;
  } catch (const Error& error) {
    std::string text = fmt::format("error: {}\n", error.what());
    for (const std::string& detail : error.details()) text += "  " + detail + "\n";
    return text;
  }
}

TEST_CASE("text cases of graphs") {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(fs::path(CROSSLOAD_SOURCE_DIR) / "tests/graph")) {
    if (entry.path().extension() == ".txt") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  REQUIRE(files.size() > 5);
  for (const fs::path& file : files) {
    CAPTURE(file.filename().string());
    std::stringstream content;
    content << std::ifstream(file).rdbuf();
    const std::string text = content.str();
    const std::size_t rule = text.find("\n---\n");
    REQUIRE(rule != std::string::npos);
    const std::string input = text.substr(0, rule + 1);
    const std::string found = outcome(input);
    if (std::getenv("CROSSLOAD_BLESS")) {
      std::ofstream(file) << input << "---\n" << found;
      continue;
    }
    CHECK(found == text.substr(rule + 5));
    CHECK(found.starts_with("error: ") == file.filename().string().starts_with("bad-"));
  }
}

}  // namespace
}  // namespace crossload::graph
