#include "app/config_fit.h"

#include <doctest/doctest.h>

#include <fstream>

#include "support/errors.h"
#include "support/temp_folder.h"

namespace crossload::app {
namespace {

namespace fs = std::filesystem;

fs::path folder_with(const fs::path& folder, const std::string& config) {
  fs::create_directories(folder);
  std::ofstream(folder / "config.json") << config;
  return folder;
}

std::vector<std::string> differences(const std::string& there, const std::string& source) {
  const TempFolder temp;
  return differences_of_config(folder_with(temp.path / "there", there), folder_with(temp.path / "source", source));
}

}  // namespace

TEST_CASE("model types and sizes tell one model from another") {
  const auto found = differences(R"({"hidden_size": 16, "model_type": "gpt2", "depths": [2, 2], "vocab_size": 9})",
                                 R"({"hidden_size": 8, "model_type": "bert", "depths": [2, 4], "vocab_size": 9})");
  CHECK(found == std::vector<std::string>{"`model_type` is \"gpt2\" and not \"bert\"",
                                          "`depths` is [2,2] and not [2,4]", "`hidden_size` is 16 and not 8"});
  const auto labels = differences(R"({"id2label": {"0": "a", "1": "b"}})", R"({"id2label": {"0": "a"}})");
  CHECK(labels == std::vector<std::string>{"`id2label` has 2 labels and not 1"});
  const auto part = differences(R"({"text_config": {"model_type": "x", "num_heads": 2}})",
                                R"({"text_config": {"model_type": "x", "num_heads": 4}})");
  CHECK(part == std::vector<std::string>{"`text_config.num_heads` is 2 and not 4"});
}

TEST_CASE("what weights do not depend on may differ") {
  CHECK(differences(R"({"model_type": "t5", "num_beams": 4, "pad_token_id": 0, "dtype": "float16", "dropout": 0.1})",
                    R"({"model_type": "t5", "num_beams": 1, "pad_token_id": 1, "dtype": "float32", "dropout": 0.2,
                        "d_model": 8})")
            .empty());
  CHECK(differences(R"({"id2label": {"0": "a"}})", R"({"id2label": {"0": "b"}})").empty());
}

TEST_CASE("a folder without a configuration, and the model's own, have nothing to compare") {
  const TempFolder temp;
  const fs::path source = folder_with(temp.path / "source", R"({"model_type": "bert"})");
  fs::create_directories(temp.path / "there");
  CHECK(differences_of_config(temp.path / "there", source).empty());
  CHECK(differences_of_config(source, source).empty());
  const fs::path broken = folder_with(temp.path / "broken", "[1]");
  CHECK(message_of(ErrorKind::kBadInput, [&] { differences_of_config(broken, source); }).find("no JSON object") !=
        std::string::npos);
}

}  // namespace crossload::app
