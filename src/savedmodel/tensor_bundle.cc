// <prefix>.data-00000-of-00001: the tensors' bytes, little-endian, row-major, each tensor at a
//   multiple of 64; then strings without gaps. A string is
//   varint32   its length
//   fixed32    masked crc32c of the length as fixed32
//   bytes
// <prefix>.index: a LevelDB table of protobuf messages, keys in the order of their bytes:
//   ""         BundleHeaderProto: one shard, little-endian, producer 1
//   <key>      BundleEntryProto: dtype, shape, offset and size in the data file, masked crc32c of the bytes (for a
//              string of its length as fixed32, that length's checksum as it is stored, its bytes)
#include "savedmodel/tensor_bundle.h"

#include <leveldb/env.h>
#include <leveldb/iterator.h>
#include <leveldb/table.h>
#include <leveldb/table_builder.h>

#include "base/crc32c.h"
#include "base/error.h"
#include "base/output_file.h"
#include "graph/tf_dtypes.h"
#include "savedmodel/messages.h"
#include "savedmodel/tensor_bundle.pb.h"

namespace crossload::savedmodel {
namespace {

namespace fs = std::filesystem;

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
                                const std::vector<BundleString>& strings, const WriteProgress& progress) {
  std::vector<tf::BundleEntryProto> described;
  std::vector<PlacedTensor> placed;
  std::size_t end = 0, bytes = 0;
  for (BundleTensor& tensor : tensors) {
    end += (kBundleAlignment - end % kBundleAlignment) % kBundleAlignment;
    const StridedTensor stored = StridedTensor(tensor.source).permuted(tensor.perm);
    const auto size = static_cast<std::size_t>(stored.count()) * size_of(stored.dtype());
    tf::BundleEntryProto& entry = described.emplace_back();
    entry.set_dtype(to_tf(stored.dtype()));
    *entry.mutable_shape() = to_tf(stored.dims());
    entry.set_offset(static_cast<int64_t>(end));
    entry.set_size(static_cast<int64_t>(size));
    placed.push_back({end, stored.dtype(), stored.count(), [stored] { return stored; }});
    end += size;
    bytes += size;
    tensor.source = Tensor();
  }

  std::map<std::string, std::string> entries;
  std::string string_bytes;
  for (const BundleString& string : strings) {
    auto [entry, stored] = encode_string(string.value, end + string_bytes.size());
    string_bytes += stored;
    entries[string.key] = entry.SerializeAsString();
  }

  OutputFile data(prefix.string() + ".data-00000-of-00001");
  data.reserve(end + string_bytes.size());
  data.write_at(end, bytes_of(string_bytes));
  const std::vector<uint32_t> checksums = write_tensors(data, std::move(placed), Checksums::kCrc32c, progress);
  data.close();

  for (std::size_t i = 0; i < described.size(); ++i) {
    described[i].set_crc32c(mask_crc32c(checksums[i]));
    entries[tensors[i].key] = described[i].SerializeAsString();
  }
  tf::BundleHeaderProto header;
  header.set_num_shards(1);
  header.mutable_version()->set_producer(1);
  entries[""] = header.SerializeAsString();
  write_index(prefix.string() + ".index", entries);
  return bytes;
}

TensorBundle::TensorBundle(const fs::path& prefix) : index_(prefix.string() + ".index") {
  const auto check = [&](const leveldb::Status& status) {
    if (!status.ok()) bad_input("{}: is no readable index of weights: {}", index_.string(), status.ToString());
  };
  std::error_code missing;
  const auto size = fs::file_size(index_, missing);
  if (missing) bad_input("{}: cannot be read: {}; check the path", index_.string(), missing.message());
  leveldb::RandomAccessFile* opened = nullptr;
  check(leveldb::Env::Default()->NewRandomAccessFile(index_.string(), &opened));
  const std::unique_ptr<leveldb::RandomAccessFile> file(opened);
  leveldb::Table* found = nullptr;
  check(leveldb::Table::Open({}, opened, size, &found));
  const std::unique_ptr<leveldb::Table> table(found);
  leveldb::ReadOptions options;
  options.verify_checksums = true;
  const std::unique_ptr<leveldb::Iterator> entry(table->NewIterator(options));
  for (entry->SeekToFirst(); entry->Valid(); entry->Next()) {
    entries_.emplace(entry->key().ToString(), entry->value().ToString());
  }
  check(entry->status());
  tf::BundleHeaderProto header;
  constexpr int kMostShards = 99999;  // five digits
  if (const auto first = entries_.find(""); first == entries_.end() || !header.ParseFromString(first->second) ||
                                            header.endianness() != tf::BundleHeaderProto::LITTLE ||
                                            header.num_shards() < 1 || header.num_shards() > kMostShards) {
    bad_input("{}: has no header of a little-endian bundle", index_.string());
  }
  for (int i = 0; i < header.num_shards(); ++i) {
    shards_.push_back(MappedFile::open(fmt::format("{}.data-{:05}-of-{:05}", prefix.string(), i, header.num_shards())));
  }
}

Tensor TensorBundle::tensor(const std::string& key) const {
  const auto found = entries_.find(key);
  tf::BundleEntryProto entry;
  if (key.empty() || found == entries_.end() || !entry.ParseFromString(found->second)) {
    bad_input("{}: has no tensor `{}`", index_.string(), key);
  }
  const auto dtype = graph::dtype_from_tf_number(entry.dtype());
  if (!dtype || entry.slices_size() > 0) {
    bad_input("{}: `{}` is of type {}, {} slices; whole tensors of numbers are read", index_.string(), key,
              static_cast<int>(entry.dtype()), entry.slices_size());
  }
  Dims dims;
  for (const auto& dim : entry.shape().dim()) dims.push_back(dim.size());
  const auto size = static_cast<uint64_t>(element_count(dims)) * size_of(*dtype);
  const auto shard = static_cast<std::size_t>(entry.shard_id());
  const std::size_t there = entry.shard_id() >= 0 && shard < shards_.size() ? shards_[shard]->bytes().size() : 0;
  const auto offset = static_cast<uint64_t>(entry.offset());
  if (entry.offset() < 0 || static_cast<uint64_t>(entry.size()) != size || offset > there || size > there - offset) {
    bad_input("{}: `{}` {} lies at {} to {} of {} bytes; {} are needed", index_.string(), key, to_string(dims),
              entry.offset(), entry.offset() + entry.size(), there, size);
  }
  return {*dtype, std::move(dims), shards_[shard]->bytes().subspan(offset, size), shards_[shard]};
}

}  // namespace crossload::savedmodel
