#include "base/output_folder.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <system_error>

#include "base/error.h"

namespace crossload {
namespace {

namespace fs = std::filesystem;

struct stat status_of(const fs::path& path) {
  struct stat found {};
  if (::lstat(path.c_str(), &found) != 0) found = {};
  return found;
}

bool is_same_file(const fs::path& a, const fs::path& b) {
  const struct stat first = status_of(a), second = status_of(b);
  return first.st_ino != 0 && first.st_ino == second.st_ino && first.st_dev == second.st_dev;
}

bool has_same_bytes(const fs::path& a, const fs::path& b) {
  std::error_code error;
  if (!fs::is_regular_file(fs::symlink_status(a, error)) || !fs::is_regular_file(fs::symlink_status(b, error)) ||
      fs::file_size(a, error) != fs::file_size(b, error)) {
    return false;
  }
  std::ifstream first(a, std::ios::binary), second(b, std::ios::binary);
  return first && second &&
         std::equal(std::istreambuf_iterator<char>(first), std::istreambuf_iterator<char>(),
                    std::istreambuf_iterator<char>(second), std::istreambuf_iterator<char>());
}

[[noreturn]] void cannot_be_kept(const fs::path& path, const std::string& reason) {
  fail(ErrorKind::kEnvironment, "{}: is not crossload's and cannot be kept: {}; choose another path", path.string(),
       reason);
}

/// What stands in an earlier result's folder beside its own files.
class Kept {
 public:
  Kept(const EarlierOutput& earlier, bool force) : force_(force), replaced_(earlier.ours) {
    replaced_.insert(earlier.changed.begin(), earlier.changed.end());
  }

  /// Gives each kept file a second name below `to`.
  void link(const fs::path& from, const fs::path& to) {
    walk(from, "", [&](const fs::path& path) {
      const fs::path source = from / path, destination = to / path;
      if (status_of(destination).st_ino != 0) {
        if (!force_ && !has_same_bytes(source, destination)) {
          bad_input(
              "{}: is not crossload's, and the new result has a file of that name; choose another path, or "
              "--force to replace it",
              source.string());
        }
        replaced_.insert(path.generic_string());
        return;
      }
      make_parents(from, to, path);
      if (fs::is_directory(fs::symlink_status(source))) {
        make_folder(source, destination);
      } else if (::link(source.c_str(), destination.c_str()) != 0) {
        copy(source, destination, errno);
      }
    });
  }

  /// Moves files that appeared in `from`, or were changed there, after the linking; and replaces copies by their
  /// originals.
  void move_late(const fs::path& from, const fs::path& to) const noexcept try {
    walk(from, "", [&](const fs::path& path) {
      if (is_same_file(from / path, to / path) || fs::is_directory(fs::symlink_status(from / path))) return;
      make_parents(from, to, path);
      static_cast<void>(::rename((from / path).c_str(), (to / path).c_str()));
    });
  } catch (...) {
    // The result is at the target already, with the older version of this file in it.
  }

 private:
  // Files, links and empty folders below `from` that are not replaced.
  void walk(const fs::path& from, const fs::path& folder, const std::function<void(const fs::path&)>& use) const {
    const auto device = status_of(from).st_dev;
    std::vector<fs::path> names;
    for (const auto& entry : fs::directory_iterator(from / folder)) names.push_back(entry.path().filename());
    if (names.empty() && !folder.empty()) use(folder);
    for (const fs::path& name : names) {
      const fs::path path = folder / name;
      if (const struct stat seen = status_of(from / path); S_ISDIR(seen.st_mode)) {
        if (seen.st_dev != device) {
          bad_input("{}: another file system is mounted there; choose another path", (from / path).string());
        }
        walk(from, path, use);
      } else if (!replaced_.contains(path.generic_string())) {
        use(path);
      }
    }
  }

  static void make_folder(const fs::path& like, const fs::path& folder) {
    if (::mkdir(folder.c_str(), 0777) != 0 && errno != EEXIST) cannot_be_kept(like, std::strerror(errno));
    static_cast<void>(::chmod(folder.c_str(), status_of(like).st_mode & 07777));
  }

  static void make_parents(const fs::path& from, const fs::path& to, const fs::path& path) {
    fs::path folder;
    for (const fs::path& name : path.parent_path()) {
      folder /= name;
      if (!S_ISDIR(status_of(to / folder).st_mode)) make_folder(from / folder, to / folder);
    }
  }

  // Where the file system has no second names.
  static void copy(const fs::path& source, const fs::path& destination, int reason) {
    std::error_code error;
    const fs::file_status status = fs::symlink_status(source, error);
    if (fs::is_symlink(status)) {
      fs::copy_symlink(source, destination, error);
    } else if (fs::is_regular_file(status)) {
      fs::copy_file(source, destination, error);
      std::error_code ignored;
      if (!error) fs::last_write_time(destination, fs::last_write_time(source, ignored), ignored);
    } else {
      cannot_be_kept(source, std::strerror(reason));
    }
    if (error) cannot_be_kept(source, error.message());
  }

  bool force_;
  std::set<std::string> replaced_;
};

}  // namespace

void require_apart(const fs::path& target, const fs::path& source) {
  std::error_code error;
  if (source.empty() || !fs::exists(source, error)) return;
  const fs::path out = fs::weakly_canonical(target, error), model = fs::weakly_canonical(source, error);
  const auto holds = [](const fs::path& outer, const fs::path& inner) {
    return std::mismatch(outer.begin(), outer.end(), inner.begin(), inner.end()).first == outer.end();
  };
  const char* how = out == model ? "is" : holds(out, model) ? "holds" : holds(model, out) ? "lies in" : nullptr;
  if (how == nullptr) return;
  bad_input("{}: {} `{}`, which is read; choose a path apart from it", target.string(), how, source.string());
}

OutputFolder::OutputFolder(const fs::path& target, bool force, ReadEarlierOutput read_earlier)
    : force_(force), read_earlier_(std::move(read_earlier)) {
  target_ = fs::absolute(target).lexically_normal();
  if (!target_.has_filename()) target_ = target_.parent_path();  // `out/`
  if (target_ == target_.root_path()) bad_input("{}: cannot be replaced; give a folder below it", target.string());
  restore_set_aside(target_);
  check_replaceable();
  lock_.emplace(target_);
  partial_.emplace(target_.parent_path(), target_.filename().string());
}

std::optional<EarlierOutput> OutputFolder::check_replaceable() const {
  std::error_code error;
  const fs::file_status status = fs::symlink_status(target_, error);
  if (status.type() == fs::file_type::not_found) return std::nullopt;
  if (status.type() != fs::file_type::directory) {
    bad_input("{}: exists and is no folder; choose another path or remove it", target_.string());
  }
  const bool empty = fs::is_empty(target_, error);
  if (error && !force_) bad_input("{}: cannot be read: {}; choose another path", target_.string(), error.message());
  if (empty) return std::nullopt;
  std::optional<EarlierOutput> earlier = read_earlier_ ? read_earlier_(target_) : std::nullopt;
  if (force_) return earlier;
  if (!earlier) {
    bad_input("{}: holds files that crossload did not write; choose another path, or --force to replace it",
              target_.string());
  }
  if (!earlier->changed.empty()) {
    throw Error(
        ErrorKind::kBadInput,
        fmt::format(
            "{}: `{}`{} changed since crossload wrote it; choose another path, or --force to replace it",
            target_.string(), earlier->changed.front(),
            earlier->changed.size() == 1 ? " was" : fmt::format(" and {} more were", earlier->changed.size() - 1)),
        earlier->changed);
  }
  return earlier;
}

void OutputFolder::commit() {
  if (path().empty()) internal_error("output folder: `{}` is committed or removed already", target_.string());
  std::error_code error;
  if (!lock_->holds_for(target_) && !(fs::is_directory(target_, error) && fs::is_empty(target_, error))) {
    bad_input("{}: another run put something there meanwhile; choose another path, or run again", target_.string());
  }
  const std::optional<EarlierOutput> earlier = check_replaceable();
  std::optional<Kept> kept;
  if (earlier) kept.emplace(*earlier, force_).link(target_, path());
  // Without a target a plain rename; it also replaces an empty folder in one step.
  if (::rename(path().c_str(), target_.c_str()) != 0) {
    if (errno != ENOTEMPTY && errno != EEXIST) rename_failed(path(), target_, errno);
    fs::path old = path();
    if (::renameat2(AT_FDCWD, path().c_str(), AT_FDCWD, target_.c_str(), RENAME_EXCHANGE) != 0) {
      // No exchange on this file system: two renames, and back again when the second fails.
      old = set_aside(target_);
      if (::rename(target_.c_str(), old.c_str()) != 0) rename_failed(target_, old, errno);
      if (::rename(path().c_str(), target_.c_str()) != 0) {
        const int reason = errno;
        static_cast<void>(::rename(old.c_str(), target_.c_str()));
        rename_failed(path(), target_, reason);
      }
    }
    if (kept) kept->move_late(old, target_);
    std::error_code ignored;
    fs::remove_all(old, ignored);
  }
  partial_->release();
}

}  // namespace crossload
