// Hub tokens: they never show in the process list, nor in an error.
#pragma once

#include <string>
#include <string_view>

namespace crossload::cli {

/// Overwrites the value of `--token` in the arguments, which the process list shows, and remembers it for
/// `without_tokens`. Copy the arguments before.
void hide_tokens(int argc, char** argv);

/// The text with the tokens that are remembered, and everything of a Hub token's form, shown as `<token>`.
std::string without_tokens(std::string text);

}  // namespace crossload::cli
