#include "base/output_files.h"

#include <stdio.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "base/error.h"

namespace crossload {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kCommit = ".crossload.commit";
constexpr std::string_view kTakenAway = ".old";  // a folder in it

bool is_index(const fs::path& name) { return name.string().ends_with(".index.json"); }

// JSON files name others and come last, an index after the others.
std::vector<fs::path> files_in(const fs::path& commit) {
  std::vector<fs::path> names;
  for (const auto& entry : fs::directory_iterator(commit)) {
    if (!entry.is_directory()) names.push_back(entry.path().filename());
  }
  std::ranges::sort(names, {},
                    [](const fs::path& name) { return std::tuple(is_index(name), name.extension() == ".json", name); });
  return names;
}

void move(const fs::path& from, const fs::path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) rename_failed(from, to, errno);
}

// REQUIRES: the folder is locked.
void move_files(const fs::path& folder) {
  const fs::path commit = folder / kCommit;
  const std::vector<fs::path> names = files_in(commit);
  std::error_code error;
  const auto is_replaced = [&](const fs::path& name) { return !is_index(name) && fs::exists(folder / name, error); };
  if (std::ranges::any_of(names, is_replaced)) {
    fs::create_directory(commit / kTakenAway, error);
    for (const fs::path& name : names) {
      if (is_index(name) && fs::exists(folder / name, error)) move(folder / name, commit / kTakenAway / name);
    }
  }
  for (const fs::path& name : names) move(commit / name, folder / name);
  fs::remove_all(commit, error);
}

}  // namespace

OutputFiles::OutputFiles(const fs::path& folder) : folder_(folder) {
  std::error_code ignored;
  if (!fs::is_directory(folder, ignored)) bad_input("{}: is no folder; give one that exists", folder.string());
  lock_.emplace(fs::canonical(folder));
  if (fs::is_directory(fs::symlink_status(folder / kCommit, ignored))) move_files(folder);
  partial_.emplace(folder, "crossload");
}

void OutputFiles::commit(const std::vector<std::string>& outdated) {
  if (path().empty()) internal_error("output files: those of `{}` are committed already", folder_.string());
  const std::vector<fs::path> names = files_in(path());
  std::error_code error;
  for (const fs::path& name : names) {
    if (fs::is_directory(fs::symlink_status(folder_ / name, error))) {
      fail(ErrorKind::kEnvironment, "{}: is a folder, where a file of that name belongs; choose another path",
           (folder_ / name).string());
    }
  }
  move(path(), folder_ / kCommit);
  partial_->release();
  move_files(folder_);
  for (const std::string& name : outdated) {
    if (std::ranges::find(names, fs::path(name)) != names.end()) continue;
    fs::remove(folder_ / name, error);
    if (error) {
      fail(ErrorKind::kEnvironment, "{}: cannot be removed: {}; remove it, the new weights are beside it",
           (folder_ / name).string(), error.message());
    }
  }
}

}  // namespace crossload
