// A converted folder goes to the Hub.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "app/python_side.h"

namespace crossload::app {

struct PushRequest {
  std::filesystem::path out;
  std::string repository;  // `owner/name`; a name alone is the user's own
  std::string message;     // title of the commit; empty: made from what is there
  std::string revision;    // a branch; empty: the repository's first one
  std::string token;
  bool pull_request = false;
  bool offline = false;  // check and tell, send nothing
};

/// Uploads what `convert` wrote as one commit or one pull request; python/crossload/README.md has the result's fields.
/// Throws `kMismatch` for a folder with that verdict, and what Python reports. The branch is then as it was.
nlohmann::json push(const PushRequest& request, PythonSide& python, const Progress& progress);

}  // namespace crossload::app
