#include "router/conversations/database.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace sain::router {
namespace {

constexpr int kPatienceMs = 5000;

Error error_of(sqlite3* connection) {
  const int code = sqlite3_errcode(connection) & 0xff;
  const char* file = sqlite3_db_filename(connection, "main");
  return make_error(code == SQLITE_CORRUPT || code == SQLITE_NOTADB ? ErrorCode::kCorrupt : ErrorCode::kIo, "{}: {}",
                    file == nullptr || *file == 0 ? "conversations in memory" : file, sqlite3_errmsg(connection));
}

}  // namespace

int Query::bind(int place, std::string_view value) {
  // A view of nothing may have no address, which would mean null.
  return sqlite3_bind_text64(statement_.get(), place, value.data() == nullptr ? "" : value.data(), value.size(),
                             SQLITE_TRANSIENT, SQLITE_UTF8);
}

Result<bool> Query::next() {
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return error_of(sqlite3_db_handle(statement_.get()));
}

std::string Query::text(int column) const {
  const auto* bytes = reinterpret_cast<const char*>(sqlite3_column_text(statement_.get(), column));
  return bytes == nullptr ? std::string()
                          : std::string(bytes, static_cast<size_t>(sqlite3_column_bytes(statement_.get(), column)));
}

Result<Database> Database::open(const std::filesystem::path& file) {
  if (file != ":memory:") {
    // SQLite gives the files beside it the permissions of this one.
    const int fd = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || ::fchmod(fd, 0600) != 0) {
      const int reason = errno;
      if (fd >= 0) ::close(fd);
      return make_error(ErrorCode::kIo, "{}: cannot be opened: {}", file.string(), std::strerror(reason));
    }
    ::close(fd);
  }
  sqlite3* connection = nullptr;
  const int code = sqlite3_open_v2(file.c_str(), &connection,
                                   SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  if (connection == nullptr) return make_error(ErrorCode::kResourceExhausted, "{}: no memory", file.string());
  Database database(connection);
  if (code != SQLITE_OK) return database.error();
  sqlite3_busy_timeout(connection, kPatienceMs);
  return database;
}

Result<Query> Database::prepare(std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v2(connection_.get(), sql.data(), static_cast<int>(sql.size()), &statement, nullptr) != SQLITE_OK)
    return error();
  return Query(statement);
}

Status Database::run_all(const char* sql) {
  if (sqlite3_exec(connection_.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK) return error();
  return {};
}

Error Database::error() const {
  return error_of(connection_.get());
}

Result<Transaction> Transaction::begin(Database& database) {
  SAIN_RETURN_IF_ERROR(database.run("BEGIN IMMEDIATE"));
  return Transaction(database);
}

Transaction::~Transaction() {
  if (database_ == nullptr) return;
  [[maybe_unused]] const Status undone = database_->run("ROLLBACK");  // fails where SQLite has done so by itself
}

Status Transaction::commit() {
  SAIN_RETURN_IF_ERROR(database_->run("COMMIT"));
  database_ = nullptr;
  return {};
}

}  // namespace sain::router
