// Whether a folder's config.json describes the model whose weights are to go there.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace crossload::app {

/// How the config.json of `there` differs from that of `source` in what weights depend on: the model type, and each
/// size that both name, also in the configurations of parts. One text each, as "`hidden_size` is 16 and not 8". Empty
/// when they agree, when one of the folders has none, and when the two are one folder. Throws `kBadInput` for a file
/// that is no JSON object.
std::vector<std::string> differences_of_config(const std::filesystem::path& there, const std::filesystem::path& source);

/// Throws `kBadInput` with all of them when there are some. advice: what to do, such as "choose another path".
void require_config_of_same_model(const std::filesystem::path& there, const std::filesystem::path& source,
                                  const std::string& advice);

}  // namespace crossload::app
