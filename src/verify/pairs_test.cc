#include "verify/pairs.h"

#include <doctest/doctest.h>

#include "support/errors.h"

namespace crossload::verify {
namespace {

using Map = std::map<int, std::string>;

TEST_CASE("a layer is the module of its name, and a wrapper without a module is passed over") {
  const Pairing found = pair_layers({"", "encoder", "encoder.layer.0", "encoder.layer.0.dense", "pooler"},
                                    {{0, -1, {}, "", "TFBertModel"},
                                     {1, 0, {"bert"}, "bert", "TFBertMainLayer"},
                                     {2, 1, {"encoder"}, "bert.encoder", "TFBertEncoder"},
                                     {3, 2, {"layer.0"}, "bert.encoder.layer.0", "TFBertLayer"},
                                     {4, 3, {"dense_7", "dense"}, "bert.encoder.layer.0.dense_7", "Dense"},
                                     {5, 3, {"activation"}, "bert.encoder.layer.0.activation", "Activation"},
                                     {6, 1, {"pooler"}, "bert.pooler", "TFBertPooler"}},
                                    {});
  CHECK(found.module_of ==
        Map{{0, ""}, {2, "encoder"}, {3, "encoder.layer.0"}, {4, "encoder.layer.0.dense"}, {6, "pooler"}});
  CHECK(found.alone == std::vector<std::string>{"bert.encoder.layer.0.activation"});
}

TEST_CASE("a module belongs to one layer; the first in the tree has it") {
  const Pairing found = pair_layers({"", "norm"},
                                    {{0, -1, {}, "", "M"},
                                     {1, 0, {"main"}, "main", "L"},
                                     {2, 1, {"norm"}, "main.norm", "N"},
                                     {3, 0, {"norm"}, "norm", "N"}},
                                    {});
  CHECK(found.module_of == Map{{0, ""}, {2, "norm"}});
  CHECK(found.alone == std::vector<std::string>{"norm"});
}

TEST_CASE("a layer that two hold is one, and is found under the second as well") {
  const Pairing found = pair_layers({"", "shared", "encoder"},
                                    {{0, -1, {}, "", "M"},
                                     {1, 0, {"encoder"}, "encoder", "E"},
                                     {2, 1, {"embed_tokens"}, "encoder.embed_tokens", "S"},
                                     {2, 0, {"shared"}, "shared", "S"}},
                                    {});
  CHECK(found.module_of == Map{{0, ""}, {1, "encoder"}, {2, "shared"}});
  CHECK(found.alone.empty());
}

TEST_CASE("a map comes before the names, and takes along what is below") {
  const std::vector<std::string> modules = {"", "h", "h.0", "h.0.fc", "block"};
  const std::vector<Layer> layers = {
      {0, -1, {}, "", "M"}, {1, 0, {"block"}, "block", "B"}, {2, 1, {"fc"}, "block.fc", "D"}};
  CHECK(pair_layers(modules, layers, {{"block", "h.0"}}).module_of == Map{{0, ""}, {1, "h.0"}, {2, "h.0.fc"}});
  const auto message = [&](const std::map<std::string, std::string>& map) {
    return message_of(ErrorKind::kBadInput, [&] { pair_layers(modules, layers, map); });
  };
  CHECK(message({{"blok", "h.0"}}).starts_with("--map: there is no layer `blok`;"));
  CHECK(message({{"block", "h.7"}}).starts_with("--map: there is no module `h.7`;"));
}

}  // namespace
}  // namespace crossload::verify
