#include "cli/result_text.h"

#include <doctest/doctest.h>

namespace crossload::cli {

TEST_CASE("a dry run of port shows the source, or the changes of a source tree, line by line") {
  nlohmann::json result = {{"written", false}, {"text", "class TFX:\n    pass\n"}, {"file", "out/modeling_tf_x.py"}};
  const std::string end = "# would be written to out/modeling_tf_x.py\n";
  CHECK(port_text(result, false, false) == "class TFX:\n    pass\n" + end);
  result["into"] = {{"files",
                     {{{"path", "a.py"}, {"diff", "--- a/a.py\n+++ b/a.py\n+x = 1\n"}},
                      {{"path", "b.py"}, {"diff", "--- a/b.py\n+++ b/b.py\n+y\x1b = 2\n"}}}}};
  CHECK(port_text(result, false, false) == "--- a/a.py\n+++ b/a.py\n+x = 1\n--- a/b.py\n+++ b/b.py\n+y? = 2\n" + end);
}

}  // namespace crossload::cli
