// All offsets are known before anything is written, so blocks are written in any order, by several threads; a tensor's
// checksum is joined from its blocks'. A block of a tensor that keeps order and type goes from the mapped source
// straight to the file; others go through a buffer. Tensors are opened one after the other, as threads ask for blocks.
#include "checkpoint/tensor_writer.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>

#include "base/crc32c.h"
#include "base/error.h"
#include "base/float_cast.h"

namespace crossload {
namespace {

constexpr std::size_t kSliceSize = std::size_t{256} << 10;  // stays in the cache between checksum and write
constexpr std::size_t kBytesPerThread = std::size_t{2} << 20;
constexpr unsigned kMaxThreads = 4;

struct Part {
  uint32_t crc = 0;
  std::size_t size = 0;
};

struct Block {
  std::shared_ptr<const StridedTensor> source;
  const PlacedTensor* target = nullptr;
  int64_t first = 0, last = 0;  // elements
  Part* part = nullptr;
};

// Hands out the blocks of one tensor after the other.
class Queue {
 public:
  explicit Queue(std::vector<PlacedTensor>& tensors) : tensors_(tensors), parts_(tensors.size()) {}

  bool next(Block& block) {
    block.source.reset();  // perhaps the last of its tensor: released before another is opened
    const std::lock_guard lock(mutex_);
    while (at_ < tensors_.size() && (!source_ || first_ >= tensors_[at_].count)) {
      if (source_) {
        source_.reset();
        ++at_;
      } else {
        open();
      }
    }
    if (at_ >= tensors_.size()) return false;
    const int64_t last = std::min(first_ + length_, tensors_[at_].count);
    block = {source_, &tensors_[at_], first_, last, &parts_[at_][static_cast<std::size_t>(first_ / length_)]};
    first_ = last;
    return true;
  }

  void stop() {
    const std::lock_guard lock(mutex_);
    at_ = tensors_.size();
    source_.reset();
  }

  std::vector<uint32_t> checksums() const {
    std::vector<uint32_t> result;
    for (const auto& parts : parts_) {
      uint32_t crc = 0;
      for (const Part& part : parts) crc = crc32c_combine(crc, part.crc, part.size);
      result.push_back(crc);
    }
    return result;
  }

 private:
  void open() {
    PlacedTensor& tensor = tensors_[at_];
    source_ = std::make_shared<const StridedTensor>(std::exchange(tensor.source, {})());
    const DType from = source_->dtype();
    if (source_->count() != tensor.count || (from != tensor.dtype && !(can_cast(from) && can_cast(tensor.dtype)))) {
      internal_error("tensor writer: {} {} given, {} {} wanted", source_->count(), name_of(from), tensor.count,
                     name_of(tensor.dtype));
    }
    first_ = 0;
    length_ = source_->block_length();
    parts_[at_].resize(static_cast<std::size_t>((tensor.count + length_ - 1) / length_));
  }

  std::vector<PlacedTensor>& tensors_;
  std::vector<std::vector<Part>> parts_;
  std::mutex mutex_;
  std::size_t at_ = 0;
  std::shared_ptr<const StridedTensor> source_;
  int64_t first_ = 0, length_ = 1;
};

class BlockWriter {
 public:
  BlockWriter(OutputFile& file, Checksums checksums) : file_(file), checksums_(checksums) {}

  // Returns the bytes written.
  std::size_t write(const Block& block) {
    const StridedTensor& source = *block.source;
    const std::size_t from_width = size_of(source.dtype());
    const std::size_t width = size_of(block.target->dtype);
    const auto count = static_cast<std::size_t>(block.last - block.first);
    const auto first = static_cast<std::size_t>(block.first);
    std::span<const std::byte> bytes;
    if (source.is_contiguous()) {
      bytes = source.bytes().subspan(first * from_width, count * from_width);
    } else {
      gathered_.resize(std::max(gathered_.size(), count * from_width));
      source.read(block.first, block.last, gathered_.data());
      bytes = std::span(gathered_).first(count * from_width);
    }
    if (source.dtype() != block.target->dtype) {
      cast_.resize(std::max(cast_.size(), count * width));
      cast_floats(source.dtype(), bytes, block.target->dtype, cast_.data());
      bytes = std::span(cast_).first(count * width);
    }
    put(block.target->offset + first * width, bytes, *block.part);
    return bytes.size();
  }

 private:
  void put(std::size_t offset, std::span<const std::byte> bytes, Part& part) {
    if (checksums_ == Checksums::kNone) return file_.write_at(offset, bytes);
    part.size = bytes.size();
    for (std::size_t at = 0; at < bytes.size(); at += kSliceSize) {
      const auto slice = bytes.subspan(at, std::min(kSliceSize, bytes.size() - at));
      part.crc = crc32c_extend(part.crc, slice);
      file_.write_at(offset + at, slice);
    }
  }

  OutputFile& file_;
  Checksums checksums_;
  std::vector<std::byte> gathered_, cast_;
};

}  // namespace

std::vector<uint32_t> write_tensors(OutputFile& file, std::vector<PlacedTensor> tensors, Checksums checksums,
                                    const WriteProgress& progress) {
  std::size_t total = 0;
  for (const PlacedTensor& t : tensors) total += static_cast<std::size_t>(t.count) * size_of(t.dtype);
  Queue queue(tensors);
  std::atomic<std::size_t> bytes_done = 0;
  std::mutex mutex;
  std::exception_ptr failure;
  const auto work = [&](bool reports) {
    try {
      BlockWriter writer(file, checksums);
      for (Block block; queue.next(block);) {
        const std::size_t done = bytes_done += writer.write(block);
        if (reports && progress) progress(done);
      }
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!failure) failure = std::current_exception();
      queue.stop();
    }
  };
  {
    const std::size_t wanted =
        std::min<std::size_t>({std::thread::hardware_concurrency(), kMaxThreads, total / kBytesPerThread});
    std::vector<std::jthread> threads;
    for (std::size_t i = 1; i < wanted; ++i) threads.emplace_back(work, false);
    work(true);
  }
  if (failure) std::rethrow_exception(failure);
  if (progress) progress(total);
  return checksums == Checksums::kNone ? std::vector<uint32_t>() : queue.checksums();
}

}  // namespace crossload
