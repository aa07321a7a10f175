#include <fmt/format.h>
#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <istream>
#include <memory>
#include <utility>

#include "CLI/CLI.hpp"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/time/clock.h"
#include "client/command/admin_views.h"
#include "client/command/dlq.h"

namespace mansio::command {

namespace {

constexpr int kImportLetters = 100;        // in one call
constexpr size_t kImportBytes = 2u << 20;  // and one letter
constexpr char kStandardStream[] = "-";

struct FileArguments {
  LetterArguments letters;
  std::string file;
  bool dry_run = false;
};

// A dead letter as a line of a file (docs/formats/dead-letter-export.md).
std::string LineOf(const v1::ExportedDeadLetter& letter) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  std::string line;
  // It came as a valid message: there is a form in JSON.
  (void)google::protobuf::util::MessageToJsonString(letter, &line, options);
  return line;
}

// All letters of a group; an error when a broker does not say what it has.
absl::StatusOr<GroupLetters> CompleteLettersOf(client::AdminClient& admin,
                                               const std::string& group) {
  auto letters = LettersOf(admin, group);
  if (!letters.ok()) return letters;
  if (absl::Status s = AllAnswered(*letters); !s.ok()) return s;
  return letters;
}

absl::StatusOr<int64_t> ExportTo(const Context& context, client::AdminClient& admin,
                                 const GroupLetters& letters, v1::ExportDeadLettersRequest request,
                                 std::ostream& out) {
  int64_t exported = 0;
  absl::Status status = WalkLetters(
      context, letters,
      {.what = "exporting",
       .page = [&](const v1::DeadLetterPage& page) -> absl::StatusOr<v1::DeadLetterProgress> {
         *request.mutable_page() = page;
         const auto response = admin.ExportDeadLetters(request);
         if (!response.ok()) return response.status();
         for (const auto& letter : response->letters()) out << LineOf(letter) << '\n';
         if (!out.flush())
           return absl::DataLossError("the file cannot be written; is there space?");
         exported += response->letters_size();
         return response->progress();
       }});
  if (!status.ok()) return status;
  return exported;
}

int Export(const Context& context, const FileArguments& arguments) {
  const auto selection = SelectionOf(arguments.letters, absl::Now());
  if (!selection.ok()) {
    return FailUsage(context, std::string(selection.status().message()),
                     "mansio dlq export --help explains the command");
  }
  std::error_code error;
  if (arguments.file != kStandardStream && std::filesystem::exists(arguments.file, error)) {
    return FailUsage(context, fmt::format("the file {} is there already", arguments.file),
                     "name another one, or remove it first");
  }
  auto admin = client::AdminClient::Create(context.client);
  if (!admin.ok()) return Fail(context, admin.status());
  const auto letters = CompleteLettersOf(**admin, arguments.letters.group);
  if (!letters.ok()) return Fail(context, letters.status());
  v1::ExportDeadLettersRequest request;
  request.set_group(arguments.letters.group);
  *request.mutable_selection() = *selection;
  if (arguments.file == kStandardStream) {
    const auto exported = ExportTo(context, **admin, *letters, request, *context.out);
    return exported.ok() ? kOk : Fail(context, exported.status());
  }
  // A file under the name that was asked for is a complete one.
  const std::string part = arguments.file + ".part";
  std::ofstream out(part, std::ios::binary | std::ios::trunc);
  if (!out) {
    return FailUsage(context, fmt::format("the file {} cannot be written", part),
                     "name a directory that exists and is yours");
  }
  const auto exported = ExportTo(context, **admin, *letters, request, out);
  out.close();
  if (!exported.ok()) return Fail(context, exported.status());
  std::filesystem::rename(part, arguments.file, error);
  if (error) return FailUsage(context, fmt::format("{}: {}", arguments.file, error.message()), "");
  PrintDone(
      context,
      {{"group", arguments.letters.group}, {"file", arguments.file}, {"exported", *exported}},
      fmt::format("exported {} of group {} to {}; they are still there",
                  Counted(*exported, "dead letter"), arguments.letters.group, arguments.file));
  return kOk;
}

// Which message a letter is of. The id alone does not say: a producer that has lost an answer sends
// the same one twice.
std::string IdentityOf(const v1::DeadLetter& letter) {
  return fmt::format("{}/{}/{}/{}", letter.topic(), letter.queue_id(), letter.queue_offset(),
                     letter.message_id());
}

// Puts letters into a group, those that it does not have.
class Importer {
 public:
  Importer(const Context& context, client::AdminClient& admin, const FileArguments& arguments)
      : context_(context), admin_(admin), arguments_(arguments) {}

  // Learns what there is and who is there to take more.
  absl::Status Begin() {
    const auto brokers = admin_.ListBrokers();
    if (!brokers.ok()) return brokers.status();
    for (const v1::BrokerOverview& broker : brokers->brokers()) {
      if (broker.online()) brokers_.push_back(broker.broker().name());
    }
    if (brokers_.empty()) return absl::UnavailableError("no broker is there; start one");
    const auto there = CompleteLettersOf(admin_, arguments_.letters.group);
    if (!there.ok()) return there.status();
    v1::ExportDeadLettersRequest request;
    request.set_group(arguments_.letters.group);
    request.set_ids_only(true);
    return WalkLetters(
        context_, *there,
        {.what = "looking",
         .page = [&](const v1::DeadLetterPage& page) -> absl::StatusOr<v1::DeadLetterProgress> {
           *request.mutable_page() = page;
           const auto response = admin_.ExportDeadLetters(request);
           if (!response.ok()) return response.status();
           for (const auto& letter : response->letters()) {
             present_.insert(IdentityOf(letter.dead_letter()));
           }
           return response->progress();
         }});
  }

  absl::Status Add(v1::ExportedDeadLetter letter) {
    if (!present_.insert(IdentityOf(letter.dead_letter())).second) {
      ++skipped;
      return absl::OkStatus();
    }
    Batch& batch = batches_[BrokerFor(letter.dead_letter().broker())];
    batch.bytes += letter.message().body().size();
    *batch.request.add_letters() = std::move(letter);
    if (batch.request.letters_size() < kImportLetters && batch.bytes < kImportBytes) {
      return absl::OkStatus();
    }
    return Flush(BrokerFor(batch.request.letters(0).dead_letter().broker()), batch);
  }

  absl::Status Finish() {
    for (auto& [broker, batch] : batches_) {
      if (absl::Status s = Flush(broker, batch); !s.ok()) return s;
    }
    return absl::OkStatus();
  }

  int64_t imported = 0;
  int64_t skipped = 0;

 private:
  struct Batch {
    v1::ImportDeadLettersRequest request;
    size_t bytes = 0;
  };

  // The one that it came from, where that is there.
  std::string BrokerFor(const std::string& origin) const {
    const auto found = std::find(brokers_.begin(), brokers_.end(), origin);
    return found == brokers_.end() ? brokers_.front() : *found;
  }

  absl::Status Flush(const std::string& broker, Batch& batch) {
    Batch full = std::exchange(batch, {});
    if (full.request.letters_size() == 0) return absl::OkStatus();
    full.request.set_group(arguments_.letters.group);
    full.request.set_broker(broker);
    if (arguments_.dry_run) {
      imported += full.request.letters_size();
      return absl::OkStatus();
    }
    const auto response = admin_.ImportDeadLetters(full.request);
    if (!response.ok()) return response.status();
    imported += response->imported();
    return absl::OkStatus();
  }

  const Context& context_;
  client::AdminClient& admin_;
  const FileArguments& arguments_;
  std::vector<std::string> brokers_;
  absl::flat_hash_set<std::string> present_;  // IdentityOf
  absl::flat_hash_map<std::string, Batch> batches_;
};

int Import(const Context& context, const FileArguments& arguments) {
  std::ifstream file;
  if (arguments.file != kStandardStream) file.open(arguments.file, std::ios::binary);
  std::istream& in = arguments.file == kStandardStream ? *context.in : file;
  if (!in) {
    return FailUsage(context, fmt::format("the file {} cannot be read", arguments.file),
                     "mansio dlq export writes such a file");
  }
  auto admin = client::AdminClient::Create(context.client);
  if (!admin.ok()) return Fail(context, admin.status());
  Importer importer(context, **admin, arguments);
  if (absl::Status s = importer.Begin(); !s.ok()) return Fail(context, s);
  google::protobuf::util::JsonParseOptions options;
  options.ignore_unknown_fields = true;  // of a later version
  int64_t number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    if (line.empty()) continue;
    v1::ExportedDeadLetter letter;
    const auto parsed = google::protobuf::util::JsonStringToMessage(line, &letter, options);
    if (!parsed.ok()) {
      return FailUsage(context,
                       fmt::format("line {} is no dead letter: {}", number, parsed.ToString()),
                       "what stood before it may have been imported, and is skipped next time");
    }
    if (absl::Status s = importer.Add(std::move(letter)); !s.ok()) return Fail(context, s);
  }
  if (absl::Status s = importer.Finish(); !s.ok()) return Fail(context, s);
  PrintDone(
      context,
      {{"group", arguments.letters.group},
       {"dry_run", arguments.dry_run},
       {"imported", importer.imported},
       {"skipped", importer.skipped}},
      fmt::format("{}imported {} into group {}; {} were there already",
                  arguments.dry_run ? "would have " : "", Counted(importer.imported, "dead letter"),
                  arguments.letters.group, importer.skipped));
  return kOk;
}

}  // namespace

void AddDlqFiles(CLI::App& dlq, Context& context) {
  auto exported = std::make_shared<FileArguments>();
  CLI::App* save = dlq.add_subcommand("export", "Write dead letters to a file; they stay");
  AddLetterOptions(*save, &exported->letters);
  save->add_option("--file", exported->file, "A new file, or - for the standard output")
      ->required()
      ->type_name("FILE");
  save->footer(
      "One JSON object a line, oldest first.\n"
      "Example:\n  mansio dlq export billing --since 24h --file letters.jsonl");
  save->fallthrough();
  save->callback([&context, exported] {
    context.action = [&context, exported] { return Export(context, *exported); };
  });

  auto imported = std::make_shared<FileArguments>();
  CLI::App* load = dlq.add_subcommand(
      "import", "Add dead letters from a file; those that are there already are skipped");
  load->add_option("GROUP", imported->letters.group, "The consumer group")->required();
  load->add_option("--file", imported->file, "What dlq export wrote, or - for the standard input")
      ->required()
      ->type_name("FILE");
  load->add_flag("--dry-run", imported->dry_run, "Change nothing, say what would happen");
  load->footer("Example:\n  mansio dlq import billing --file letters.jsonl");
  load->fallthrough();
  load->callback([&context, imported] {
    context.action = [&context, imported] { return Import(context, *imported); };
  });
}

}  // namespace mansio::command
