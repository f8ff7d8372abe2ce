// <prefix>.data-00000-of-00001: the tensors' bytes one behind the other, little-endian, row-major. A string is
//   varint32   its length
//   fixed32    masked crc32c of the length as fixed32
//   bytes
// <prefix>.index: a LevelDB table of protobuf messages, keys in the order of their bytes:
//   ""         BundleHeaderProto: one shard, little-endian, producer 1
//   <key>      BundleEntryProto: dtype, shape, offset and size in the data file, masked crc32c of the bytes (for a
//              string of its length as fixed32, that length's checksum as it is stored, its bytes)
//
// All offsets are known before anything is written, so the data file is cut into blocks that several threads write in
// any order; a tensor's checksum is joined from its blocks'. A block of a tensor whose axes keep their order goes from
// the mapped source straight to the file; others are read tile by tile into a buffer.
#include "savedmodel/tensor_bundle.h"

#include <fcntl.h>
#include <leveldb/env.h>
#include <leveldb/table_builder.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <exception>
#include <map>
#include <mutex>
#include <thread>

#include "base/crc32c.h"
#include "base/error.h"
#include "savedmodel/messages.h"
#include "savedmodel/permuted_view.h"
#include "savedmodel/tensor_bundle.pb.h"

namespace crossload::savedmodel {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kBlockSize = std::size_t{2} << 20;
constexpr std::size_t kMaxBlockSize = std::size_t{8} << 20;
constexpr std::size_t kSliceSize = std::size_t{256} << 10;  // stays in the cache between checksum and write
constexpr std::size_t kLine = 64;
constexpr std::size_t kRun = 512;  // bytes read from one row of a source before the next
constexpr unsigned kMaxThreads = 4;

class File {
 public:
  explicit File(fs::path path)
      : path_(std::move(path)), fd_(::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666)) {
    if (fd_ < 0) failed("cannot be made", errno);
  }
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  // Claims the disk space at once where the file system can.
  void reserve(std::size_t size) {
    if (size == 0 || ::fallocate(fd_, 0, 0, static_cast<off_t>(size)) == 0) return;
    if (errno == ENOSPC || errno == EFBIG || errno == EDQUOT) {
      struct statvfs info {};
      const uint64_t free = ::fstatvfs(fd_, &info) == 0 ? static_cast<uint64_t>(info.f_bavail) * info.f_frsize : 0;
      fail(ErrorKind::kEnvironment, "{}: needs {} bytes, {} are free ({}); make room or give another place",
           path_.string(), size, free, std::strerror(errno));
    }
    if (::ftruncate(fd_, static_cast<off_t>(size)) != 0) failed("cannot be made as long as needed", errno);
  }

  void write_at(std::size_t offset, std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      const ssize_t written = ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) failed("cannot be written", written < 0 ? errno : EIO);
      offset += static_cast<std::size_t>(written);
      bytes = bytes.subspan(static_cast<std::size_t>(written));
    }
  }

  void close() {
    const int fd = std::exchange(fd_, -1);
    if (::close(fd) != 0) failed("cannot be written", errno);
  }

 private:
  [[noreturn]] void failed(std::string_view what, int reason) const {
    fail(ErrorKind::kEnvironment, "{}: {}: {}; check the disk", path_.string(), what, std::strerror(reason));
  }

  fs::path path_;
  int fd_;
};

struct Block {
  std::size_t item;
  std::size_t offset;  // in the file
  std::size_t size;
  std::size_t start = 0;                // of a copy: in the source
  int64_t first_row = 0, last_row = 0;  // of a permuted tensor
  int64_t first_column = 0, last_column = 0;
  uint32_t crc = 0;
};

class Item {
 public:
  Item(const BundleTensor& tensor, std::size_t offset) : view_(tensor.source, tensor.perm) {
    const Tensor& source = tensor.source;
    entry_.set_dtype(to_tf(source.dtype()));
    Dims dims = source.dims();
    for (std::size_t i = 0; i < tensor.perm.size(); ++i) {
      dims[i] = source.dims()[static_cast<std::size_t>(tensor.perm[i])];
    }
    *entry_.mutable_shape() = to_tf(dims);
    entry_.set_offset(static_cast<int64_t>(offset));
    entry_.set_size(static_cast<int64_t>(source.bytes().size()));
  }

  void add_blocks(std::size_t item, std::vector<Block>& blocks) {
    const auto size = static_cast<std::size_t>(entry_.size());
    const auto offset = static_cast<std::size_t>(entry_.offset());
    const std::size_t before = blocks.size();
    if (view_.is_copy()) {
      for (std::size_t start = 0; start < size; start += kBlockSize) {
        blocks.push_back({item, offset + start, std::min(kBlockSize, size - start), start});
      }
    } else {
      add_panels(item, offset, blocks);
    }
    left_ = blocks.size() - before;
  }

  const PermutedView& view() const { return view_; }
  tf::BundleEntryProto& entry() { return entry_; }

  // Called by one thread a block.
  void block_done() {
    if (left_.fetch_sub(1) == 1) view_ = PermutedView(Tensor(), {});
  }

 private:
  // Row panels of about kBlockSize, higher where rows are so long that little of each source row would be read at a
  // time; whole cache lines of it if possible. A row beyond kMaxBlockSize is cut.
  void add_panels(std::size_t item, std::size_t offset, std::vector<Block>& blocks) {
    const auto row_size = static_cast<std::size_t>(view_.columns()) * view_.width();
    const std::size_t line = std::max<std::size_t>(kLine / view_.width(), 1);
    std::size_t wanted = std::min(std::max(kBlockSize / row_size, kRun / view_.width()), kMaxBlockSize / row_size);
    if (wanted > line) wanted -= wanted % line;
    const auto height = static_cast<int64_t>(std::max<std::size_t>(wanted, 1));
    const auto length = std::min(view_.columns(), static_cast<int64_t>(kMaxBlockSize / view_.width()));
    for (int64_t row = 0; row < view_.rows(); row += height) {
      const int64_t last_row = std::min(view_.rows(), row + height);
      for (int64_t column = 0; column < view_.columns(); column += length) {
        const int64_t last_column = std::min(view_.columns(), column + length);
        const auto size = static_cast<std::size_t>((last_row - row) * (last_column - column)) * view_.width();
        blocks.push_back({item, offset, size, 0, row, last_row, column, last_column});
        offset += size;
      }
    }
  }

  PermutedView view_;
  tf::BundleEntryProto entry_;
  std::atomic<std::size_t> left_ = 0;
};

uint32_t copy_block(const PermutedView& view, const Block& block, File& file) {
  const auto bytes = view.source().bytes().subspan(block.start, block.size);
  uint32_t crc = 0;
  for (std::size_t at = 0; at < bytes.size(); at += kSliceSize) {
    const auto slice = bytes.subspan(at, std::min(kSliceSize, bytes.size() - at));
    crc = crc32c_extend(crc, slice);
    file.write_at(block.offset + at, slice);
  }
  return crc;
}

uint32_t permute_block(const PermutedView& view, const Block& block, std::vector<std::byte>& buffer, File& file) {
  if (buffer.size() < block.size) buffer.resize(block.size);
  view.read(block.first_row, block.last_row, block.first_column, block.last_column, buffer.data());
  const std::span<const std::byte> bytes(buffer.data(), block.size);
  const uint32_t crc = crc32c(bytes);
  file.write_at(block.offset, bytes);
  return crc;
}

// Hands the blocks out to threads, of which the caller's is one.
void write_blocks(std::vector<Block>& blocks, const std::vector<std::unique_ptr<Item>>& items, File& file,
                  const std::function<void(std::size_t)>& progress) {
  std::atomic<std::size_t> next = 0, bytes_done = 0;
  std::mutex mutex;
  std::exception_ptr failure;
  const auto work = [&](bool reports) {
    try {
      std::vector<std::byte> buffer;
      for (std::size_t i = next++; i < blocks.size(); i = next++) {
        Block& block = blocks[i];
        Item& item = *items[block.item];
        block.crc = item.view().is_copy() ? copy_block(item.view(), block, file)
                                          : permute_block(item.view(), block, buffer, file);
        item.block_done();
        const std::size_t done = bytes_done += block.size;
        if (reports && progress) progress(done);
      }
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!failure) failure = std::current_exception();
      next = blocks.size();  // the others stop at their next block
    }
  };
  std::size_t total = 0;
  for (const Block& block : blocks) total += block.size;
  const std::size_t wanted =
      std::min<std::size_t>({std::thread::hardware_concurrency(), kMaxThreads, total / kBlockSize});
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 1; i < wanted; ++i) threads.emplace_back(work, false);
    work(true);
  }
  if (failure) std::rethrow_exception(failure);
  if (progress) progress(total);
}

std::string fixed32(uint32_t value) {
  std::string bytes(4, '\0');
  for (std::size_t i = 0; i < 4; ++i) bytes[i] = static_cast<char>(value >> (8 * i));
  return bytes;
}

std::string varint32(uint32_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes += static_cast<char>(value | 0x80);
  bytes += static_cast<char>(value);
  return bytes;
}

std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

// The entry of a string and its bytes in the data file.
std::pair<tf::BundleEntryProto, std::string> encode_string(const std::string& value, std::size_t offset) {
  const auto length = static_cast<uint32_t>(value.size());
  const std::string checksum = fixed32(mask_crc32c(crc32c(bytes_of(fixed32(length)))));
  std::string bytes = varint32(length) + checksum + value;
  tf::BundleEntryProto entry;
  entry.set_dtype(tf::DT_STRING);
  entry.mutable_shape();
  entry.set_offset(static_cast<int64_t>(offset));
  entry.set_size(static_cast<int64_t>(bytes.size()));
  entry.set_crc32c(mask_crc32c(crc32c_extend(crc32c(bytes_of(fixed32(length) + checksum)), bytes_of(value))));
  return {std::move(entry), std::move(bytes)};
}

void write_index(const fs::path& path, const std::map<std::string, std::string>& entries) {
  const auto check = [&](const leveldb::Status& status) {
    if (!status.ok()) {
      fail(ErrorKind::kEnvironment, "{}: cannot be written: {}; check the disk", path.string(), status.ToString());
    }
  };
  leveldb::WritableFile* opened = nullptr;
  check(leveldb::Env::Default()->NewWritableFile(path.string(), &opened));
  const std::unique_ptr<leveldb::WritableFile> file(opened);
  leveldb::Options options;
  options.compression = leveldb::kNoCompression;
  leveldb::TableBuilder table(options, file.get());
  for (const auto& [key, value] : entries) table.Add(key, value);
  check(table.Finish());
  check(file->Close());
}

}  // namespace

std::size_t write_tensor_bundle(const fs::path& prefix, std::vector<BundleTensor> tensors,
                                const std::vector<BundleString>& strings,
                                const std::function<void(std::size_t bytes_done)>& progress) {
  std::vector<std::unique_ptr<Item>> items;
  std::vector<Block> blocks;
  std::size_t end = 0;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    items.push_back(std::make_unique<Item>(tensors[i], end));
    items.back()->add_blocks(i, blocks);
    end += tensors[i].source.bytes().size();
    tensors[i].source = Tensor();
  }
  const std::size_t tensor_bytes = end;

  std::map<std::string, std::string> entries;
  std::string string_bytes;
  for (const BundleString& string : strings) {
    auto [entry, bytes] = encode_string(string.value, end + string_bytes.size());
    string_bytes += bytes;
    entries[string.key] = entry.SerializeAsString();
  }

  File data(prefix.string() + ".data-00000-of-00001");
  data.reserve(end + string_bytes.size());
  data.write_at(end, bytes_of(string_bytes));
  write_blocks(blocks, items, data, progress);
  data.close();

  std::vector<uint32_t> checksums(items.size(), 0);
  for (const Block& block : blocks) {
    checksums[block.item] = crc32c_combine(checksums[block.item], block.crc, block.size);
  }
  for (std::size_t i = 0; i < items.size(); ++i) {
    items[i]->entry().set_crc32c(mask_crc32c(checksums[i]));
    entries[tensors[i].key] = items[i]->entry().SerializeAsString();
  }
  tf::BundleHeaderProto header;
  header.set_num_shards(1);
  header.mutable_version()->set_producer(1);
  entries[""] = header.SerializeAsString();
  write_index(prefix.string() + ".index", entries);
  return tensor_bytes;
}

}  // namespace crossload::savedmodel
