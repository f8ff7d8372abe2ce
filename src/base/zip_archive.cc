// A zip file from its end: an end record (22 bytes and a comment) gives the count, size and offset of the directory; a
// directory entry (46 bytes, name, extra field, comment) gives sizes and the offset of a local header (30 bytes, name,
// extra field), behind which the data lies. Numbers that do not fit 32 bits stand in 64-bit records: one that a locator
// (20 bytes) before the end record points to, and the extra field 1 of an entry. All integers are little-endian.
#include "base/zip_archive.h"

#include <zip.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/error.h"

namespace crossload {
namespace {

static_assert(std::endian::native == std::endian::little, "archives and tensors are read in place");

constexpr uint32_t kLocalHeader = 0x04034b50;
constexpr uint32_t kDirectoryEntry = 0x02014b50;
constexpr uint32_t kEndRecord = 0x06054b50;
constexpr uint32_t kEndRecord64 = 0x06064b50;
constexpr uint32_t kEndLocator64 = 0x07064b50;
constexpr std::size_t kLocalHeaderSize = 30;
constexpr std::size_t kDirectoryEntrySize = 46;
constexpr std::size_t kEndRecordSize = 22;
constexpr std::size_t kEndRecord64Size = 56;
constexpr std::size_t kEndLocator64Size = 20;
constexpr uint16_t kStored = 0;
constexpr uint16_t kDeflated = 8;
constexpr uint64_t kMaxInflated = uint64_t{4} << 30;
constexpr uint64_t kMaxDeflateRatio = 1032;  // a deflate stream cannot shrink more than that

// Little-endian numbers in a range that the caller has checked.
template <typename T>
T number(std::span<const std::byte> bytes, std::size_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

bool is_safe_name(std::string_view name) {
  if (name.empty() || name.front() == '/' || name.find('\\') != name.npos || name.find('\0') != name.npos) return false;
  if (name.size() >= 2 && name[1] == ':') return false;
  for (std::size_t begin = 0; begin <= name.size();) {
    const std::size_t end = std::min(name.find('/', begin), name.size());
    if (name.substr(begin, end - begin) == "..") return false;
    begin = end + 1;
  }
  return true;
}

// A name from the file, cut short for messages.
std::string shown(std::string_view name) { return std::string(name.substr(0, 200)); }

}  // namespace

ZipArchive ZipArchive::open(const std::string& path) { return of(MappedFile::open(path)); }

ZipArchive ZipArchive::of(std::shared_ptr<const MappedFile> file) {
  ZipArchive archive(std::move(file));
  archive.read_directory();
  return archive;
}

std::vector<std::string_view> ZipArchive::names() const {
  std::vector<std::string_view> result;
  for (const Entry& entry : entries_) result.push_back(entry.name);
  return result;
}

void ZipArchive::read_directory() {
  const auto bytes = file_->bytes();
  if (bytes.size() < kEndRecordSize) {
    bad_input("{} @ 0x0: {} bytes are no zip archive; download or save it again", path_, bytes.size());
  }
  // The end record is the last one whose comment reaches exactly to the end of the file.
  const std::size_t last = bytes.size() - kEndRecordSize;
  const std::size_t first = last > 0xffff ? last - 0xffff : 0;
  std::size_t end = bytes.size();
  for (std::size_t at = last + 1; at-- > first;) {
    if (number<uint32_t>(bytes, at) == kEndRecord &&
        at + kEndRecordSize + number<uint16_t>(bytes, at + 20) == bytes.size()) {
      end = at;
      break;
    }
  }
  if (end == bytes.size()) {
    bad_input("{} @ 0x{:x}: no end record in the last {} bytes; the file is truncated or no zip archive", path_,
              bytes.size(), bytes.size() - first);
  }
  if (number<uint16_t>(bytes, end + 4) != 0 || number<uint16_t>(bytes, end + 6) != 0) {
    bad_input("{} @ 0x{:x}: the archive is split over several files; give one file", path_, end);
  }
  uint64_t count = number<uint16_t>(bytes, end + 10);
  uint64_t size = number<uint32_t>(bytes, end + 12);
  uint64_t offset = number<uint32_t>(bytes, end + 16);
  uint64_t directory_end = end;
  if (end >= kEndLocator64Size && number<uint32_t>(bytes, end - kEndLocator64Size) == kEndLocator64) {
    const uint64_t at = number<uint64_t>(bytes, end - kEndLocator64Size + 8);
    if (at > end || end - at < kEndRecord64Size + kEndLocator64Size || number<uint32_t>(bytes, at) != kEndRecord64) {
      bad_input("{} @ 0x{:x}: the 64-bit end record is not where its locator says (0x{:x}); the file is damaged", path_,
                end - kEndLocator64Size, at);
    }
    const auto count64 = number<uint64_t>(bytes, at + 32);
    const auto size64 = number<uint64_t>(bytes, at + 40);
    const auto offset64 = number<uint64_t>(bytes, at + 48);
    if ((count != 0xffff && count != count64) || (size != 0xffffffff && size != size64) ||
        (offset != 0xffffffff && offset != offset64)) {
      bad_input("{} @ 0x{:x}: the two end records disagree: {} and {} entries; the file is damaged", path_, end, count,
                count64);
    }
    count = count64;
    size = size64;
    offset = offset64;
    directory_end = at;
  }
  if (offset > directory_end || size != directory_end - offset || count > size / kDirectoryEntrySize) {
    bad_input("{} @ 0x{:x}: a directory of {} entries in {} bytes at 0x{:x} does not fit {} bytes; the file is damaged",
              path_, end, count, size, offset, bytes.size());
  }

  entries_.reserve(count);
  uint64_t at = offset;
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t left = directory_end - at;
    if (left < kDirectoryEntrySize || number<uint32_t>(bytes, at) != kDirectoryEntry) {
      bad_input("{} @ 0x{:x}: directory entry {} of {} is missing; the file is damaged", path_, at, i, count);
    }
    const std::size_t name_size = number<uint16_t>(bytes, at + 28);
    const std::size_t extra_size = number<uint16_t>(bytes, at + 30);
    const std::size_t comment_size = number<uint16_t>(bytes, at + 32);
    const std::size_t entry_size = kDirectoryEntrySize + name_size + extra_size + comment_size;
    if (left < entry_size) {
      bad_input("{} @ 0x{:x}: directory entry {} has {} bytes, {} are left; the file is damaged", path_, at, i,
                entry_size, left);
    }
    Entry entry{};
    entry.name = {reinterpret_cast<const char*>(bytes.data()) + at + kDirectoryEntrySize, name_size};
    entry.method = number<uint16_t>(bytes, at + 10);
    entry.packed_size = number<uint32_t>(bytes, at + 20);
    entry.size = number<uint32_t>(bytes, at + 24);
    entry.header_offset = number<uint32_t>(bytes, at + 42);
    const auto flags = number<uint16_t>(bytes, at + 8);
    if ((flags & 0x2041) != 0)
      bad_input("{} @ {}: the entry is encrypted; give the plain file", path_, shown(entry.name));

    // The 64-bit values that stand in for full 32-bit fields, in this order.
    const auto extra = bytes.subspan(at + kDirectoryEntrySize + name_size, extra_size);
    for (std::size_t field = 0; field + 4 <= extra.size();) {
      const auto id = number<uint16_t>(extra, field);
      const std::size_t field_size = number<uint16_t>(extra, field + 2);
      if (field_size > extra.size() - field - 4) break;
      if (id == 1) {
        std::size_t next = field + 4;
        for (uint64_t* value : {&entry.size, &entry.packed_size, &entry.header_offset}) {
          if (*value != 0xffffffff || next + 8 > field + 4 + field_size) continue;
          *value = number<uint64_t>(extra, next);
          next += 8;
        }
      }
      field += 4 + field_size;
    }
    add_entry(entry, offset);
    at += entry_size;
  }
  if (at != directory_end) {
    bad_input("{} @ 0x{:x}: {} bytes follow the {} directory entries; the file is damaged", path_, at,
              directory_end - at, count);
  }
  check_apart(offset);
}

void ZipArchive::add_entry(Entry entry, uint64_t directory_offset) {
  const auto bytes = file_->bytes();
  const std::string name = shown(entry.name);
  if (!is_safe_name(entry.name)) {
    bad_input("{} @ {}: the entry's name leaves the archive; do not use this file", path_, name);
  }
  if (entry.method != kStored && entry.method != kDeflated) {
    bad_input("{} @ {}: compression method {} is not read, 0 (stored) and 8 (deflated) are; save it again", path_, name,
              entry.method);
  }
  if (entry.header_offset > directory_offset || directory_offset - entry.header_offset < kLocalHeaderSize ||
      number<uint32_t>(bytes, entry.header_offset) != kLocalHeader) {
    bad_input("{} @ {}: no local header at 0x{:x}; the file is damaged", path_, name, entry.header_offset);
  }
  const std::size_t name_size = number<uint16_t>(bytes, entry.header_offset + 26);
  const std::size_t extra_size = number<uint16_t>(bytes, entry.header_offset + 28);
  const uint64_t room = directory_offset - entry.header_offset - kLocalHeaderSize;
  if (name_size + extra_size > room || entry.packed_size > room - name_size - extra_size) {
    bad_input("{} @ {}: {} bytes of data do not fit the {} bytes before the directory; the file is truncated", path_,
              name, entry.packed_size, room);
  }
  const std::string_view local_name(
      reinterpret_cast<const char*>(bytes.data()) + entry.header_offset + kLocalHeaderSize, name_size);
  if (local_name != entry.name || number<uint16_t>(bytes, entry.header_offset + 8) != entry.method) {
    bad_input("{} @ {}: the local header at 0x{:x} names `{}`; the directory lies, do not use this file", path_, name,
              entry.header_offset, shown(local_name));
  }
  if (entry.method == kStored && entry.packed_size != entry.size) {
    bad_input("{} @ {}: stored in {} bytes, {} expected; the file is damaged", path_, name, entry.packed_size,
              entry.size);
  }
  if (entry.method == kDeflated && (entry.size > kMaxInflated || entry.size / kMaxDeflateRatio > entry.packed_size)) {
    bad_input("{} @ {}: {} compressed bytes for {} are not read; save it uncompressed", path_, name, entry.packed_size,
              entry.size);
  }
  entry.data_offset = entry.header_offset + kLocalHeaderSize + name_size + extra_size;
  if (!by_name_.emplace(entry.name, entries_.size()).second) {
    bad_input("{} @ {}: the entry occurs twice; do not use this file", path_, name);
  }
  entries_.push_back(entry);
}

void ZipArchive::check_apart(uint64_t directory_offset) const {
  std::vector<const Entry*> sorted;
  for (const Entry& entry : entries_) sorted.push_back(&entry);
  std::sort(sorted.begin(), sorted.end(),
            [](const Entry* a, const Entry* b) { return a->header_offset < b->header_offset; });
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    const uint64_t next = i + 1 < sorted.size() ? sorted[i + 1]->header_offset : directory_offset;
    if (sorted[i]->data_offset + sorted[i]->packed_size > next) {
      bad_input("{} @ {}: its data reaches into the entry at 0x{:x}; do not use this file", path_,
                shown(sorted[i]->name), next);
    }
  }
}

const ZipArchive::Entry& ZipArchive::find(std::string_view name) const {
  const auto found = by_name_.find(name);
  if (found == by_name_.end()) {
    bad_input("{} @ {}: no such entry among {}; the archive is incomplete, save it again", path_, shown(name),
              entries_.size());
  }
  return entries_[found->second];
}

EntryBytes ZipArchive::read(std::string_view name) const {
  const Entry& entry = find(name);
  if (entry.method == kDeflated) return inflate(static_cast<std::size_t>(&entry - entries_.data()));
  return {file_->bytes().subspan(entry.data_offset, entry.size), file_};
}

EntryBytes ZipArchive::stored(std::string_view name) const {
  const Entry& entry = find(name);
  if (entry.method != kStored) {
    bad_input("{} @ {}: compressed to {} bytes, must be stored as its {}; save it again with torch.save", path_,
              shown(name), entry.packed_size, entry.size);
  }
  return {file_->bytes().subspan(entry.data_offset, entry.size), file_};
}

EntryBytes ZipArchive::inflate(std::size_t index) const {
  const Entry& entry = entries_[index];
  const auto damaged = [&](std::string_view seen) {
    bad_input("{} @ {}: {}; the file is damaged", path_, shown(entry.name), seen);
  };
  zip_source_t* const source = zip_source_buffer_create(file_->bytes().data(), file_->bytes().size(), 0, nullptr);
  const std::unique_ptr<zip_t, void (*)(zip_t*)> zip(zip_open_from_source(source, ZIP_RDONLY, nullptr), zip_discard);
  if (!zip) {
    zip_source_free(source);
    damaged("libzip cannot open the archive");
  }
  const char* const name = zip_get_name(zip.get(), index, ZIP_FL_ENC_RAW);
  if (name == nullptr || entry.name != name) damaged("libzip finds another entry in its place");
  const std::unique_ptr<zip_file_t, int (*)(zip_file_t*)> stream(zip_fopen_index(zip.get(), index, 0), zip_fclose);
  if (!stream) damaged(zip_strerror(zip.get()));

  // Grows with what is really there: the size that the directory states is not trusted.
  auto buffer = std::make_shared<std::vector<std::byte>>();
  constexpr std::size_t kStep = std::size_t{1} << 20;
  while (true) {
    const std::size_t had = buffer->size();
    buffer->resize(had + kStep);
    const zip_int64_t got = zip_fread(stream.get(), buffer->data() + had, kStep);
    if (got < 0) damaged(zip_file_strerror(stream.get()));
    buffer->resize(had + static_cast<std::size_t>(got));
    if (buffer->size() > entry.size) break;
    if (got == 0) break;
  }
  if (buffer->size() != entry.size) {
    damaged(fmt::format("decompressed to {} bytes or more, {} expected", buffer->size(), entry.size));
  }
  const std::span<const std::byte> view(*buffer);
  return {view, std::move(buffer)};
}

}  // namespace crossload
