#include "base/output_file.h"

#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/error.h"

namespace crossload {

OutputFile::OutputFile(std::filesystem::path path)
    : path_(std::move(path)), fd_(::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666)) {
  if (fd_ < 0) failed("cannot be made", errno);
}

OutputFile::~OutputFile() {
  if (fd_ >= 0) ::close(fd_);
}

void OutputFile::reserve(std::size_t size) {
  if (size == 0 || ::fallocate(fd_, 0, 0, static_cast<off_t>(size)) == 0) return;
  if (errno == ENOSPC || errno == EFBIG || errno == EDQUOT) {
    const int reason = errno;
    struct statvfs info {};
    const uint64_t free = ::fstatvfs(fd_, &info) == 0 ? static_cast<uint64_t>(info.f_bavail) * info.f_frsize : 0;
    fail(ErrorKind::kEnvironment, "{}: needs {} bytes, {} are free ({}); make room or choose another path",
         path_.string(), size, free, std::strerror(reason));
  }
  if (::ftruncate(fd_, static_cast<off_t>(size)) != 0) failed("cannot be made as long as needed", errno);
}

void OutputFile::write_at(std::size_t offset, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) failed("cannot be written", written < 0 ? errno : EIO);
    offset += static_cast<std::size_t>(written);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

void OutputFile::close() {
  if (::close(std::exchange(fd_, -1)) != 0) failed("cannot be written", errno);
}

void OutputFile::failed(const char* what, int reason) const {
  fail(ErrorKind::kEnvironment, "{}: {}: {}; check the disk", path_.string(), what, std::strerror(reason));
}

}  // namespace crossload
