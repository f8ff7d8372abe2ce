// JSON files that crossload did not write.
#pragma once

#include <filesystem>
#include <iosfwd>
#include <nlohmann/json_fwd.hpp>

namespace crossload {

/// Parses an open file; `path` is its name in messages. Throws `kBadInput` when it is not JSON, or nests deeper than
/// any file that crossload reads: such nesting would exhaust the stack of code that walks it.
nlohmann::json parse_json(std::istream& in, const std::filesystem::path& path);

}  // namespace crossload
