#ifndef MANSIO_COMMON_FILES_SEALED_TEXT_H_
#define MANSIO_COMMON_FILES_SEALED_TEXT_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace mansio {

// The text of a small file that a process writes as a whole for itself (ReplaceFile), that a person
// can read, and that nobody should believe when it is damaged:
//
//   mansio NAME VERSION
//   <the lines that the file is there for>
//   crc XXXXXXXX
//
// with the CRC-32C of all bytes before its own line, in eight hexadecimal digits. One object stands
// for one kind of file; it is a constant, and thread-safe.
struct SealedText {
  std::string_view name;     // one word
  int version = 1;           // the only one that is known
  std::string_view damaged;  // what follows "PATH is damaged, and ": what it says, and the cure
  std::string_view unknown;  // what follows the sentence on another version: the cure

  // The file with these lines, each with its newline.
  std::string Seal(std::string_view lines) const;
  // The lines of a file, without newlines. DataLoss for a damaged one, FailedPrecondition for one
  // of another version; `path` is for the text.
  absl::StatusOr<std::vector<std::string>> Open(std::string_view content,
                                                std::string_view path) const;
  // The error of Open, for lines that nobody has written so.
  absl::Status Damaged(std::string_view path) const;
};

}  // namespace mansio

#endif  // MANSIO_COMMON_FILES_SEALED_TEXT_H_
