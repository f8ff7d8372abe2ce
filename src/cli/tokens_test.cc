#include "cli/tokens.h"

#include <doctest/doctest.h>

#include <vector>

namespace crossload::cli {
namespace {

const std::string kHubToken = "hf_" + std::string(17, 'a') + std::string(17, 'Z');

std::vector<std::string> hidden(std::vector<std::string> arguments) {
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  hide_tokens(static_cast<int>(pointers.size()), pointers.data());
  return arguments;
}

}  // namespace

TEST_CASE("the value of --token is overwritten, nothing else") {
  CHECK(hidden({"crossload", "push", "--token", "sesame-open", "out", "me/x"}) ==
        std::vector<std::string>{"crossload", "push", "--token", "***********", "out", "me/x"});
  CHECK(hidden({"crossload", "push", "--token=sesame-shut", "out"}) ==
        std::vector<std::string>{"crossload", "push", "--token=***********", "out"});
  CHECK(hidden({"crossload", "push", "--tokens", "x", "--token"}) ==
        std::vector<std::string>{"crossload", "push", "--tokens", "x", "--token"});
  CHECK(without_tokens("it says sesame-open, or sesame-shut sesame-shut") == "it says <token>, or <token> <token>");
}

TEST_CASE("what has a token's form is taken out") {
  CHECK(without_tokens("unexpected: " + kHubToken + ".") == "unexpected: <token>.");
  CHECK(without_tokens(kHubToken + kHubToken) == "<token>_" + kHubToken.substr(3));
  CHECK(without_tokens("hf_internal, hf_, models/hf_small") == "hf_internal, hf_, models/hf_small");
}

}  // namespace crossload::cli
