#include "base/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/error.h"

namespace crossload {

std::shared_ptr<const MappedFile> MappedFile::open(const std::filesystem::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) bad_input("{}: cannot be opened: {}; check the path", path.string(), std::strerror(errno));
  struct stat info {};
  if (::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    ::close(fd);
    bad_input("{}: not a regular file; give a file", path.string());
  }
  const auto size = static_cast<std::size_t>(info.st_size);
  void* data = nullptr;
  if (size > 0) {
    data = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0);
    if (data == MAP_FAILED) {
      const int reason = errno;
      ::close(fd);
      bad_input("{}: cannot be mapped ({} bytes): {}", path.string(), size, std::strerror(reason));
    }
  }
  ::close(fd);
  const std::span<const std::byte> bytes(static_cast<const std::byte*>(data), size);
  return std::shared_ptr<const MappedFile>(new MappedFile(path, bytes, nullptr));
}

std::shared_ptr<const MappedFile> MappedFile::of_bytes(std::span<const std::byte> bytes,
                                                       const std::filesystem::path& name) {
  auto copy = std::make_unique<std::byte[]>(bytes.size());
  std::copy(bytes.begin(), bytes.end(), copy.get());
  const std::span<const std::byte> view(copy.get(), bytes.size());
  return std::shared_ptr<const MappedFile>(new MappedFile(name, view, std::move(copy)));
}

MappedFile::~MappedFile() {
  if (!copy_ && !bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

}  // namespace crossload
