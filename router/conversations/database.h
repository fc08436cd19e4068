// SQLite, as far as the program needs it.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "formats/result.h"

namespace sain::router {

/// A statement with its values, and the row that it is at. The Database must outlive it.
class Query {
 public:
  /// Goes on to the next row. False: there is none. Errors: those of Database.
  Result<bool> next();

  // Of the row, by column.
  bool is_null(int column) const { return sqlite3_column_type(statement_.get(), column) == SQLITE_NULL; }
  int64_t integer(int column) const { return sqlite3_column_int64(statement_.get(), column); }
  double real(int column) const { return sqlite3_column_double(statement_.get(), column); }
  std::string text(int column) const;

 private:
  friend class Database;
  explicit Query(sqlite3_stmt* statement) : statement_(statement, &sqlite3_finalize) {}
  int bind(int place, int64_t value) { return sqlite3_bind_int64(statement_.get(), place, value); }
  int bind(int place, double value) { return sqlite3_bind_double(statement_.get(), place, value); }
  int bind(int place, std::string_view value);
  template <class T>
  int bind(int place, const std::optional<T>& value) {
    return value ? bind(place, *value) : sqlite3_bind_null(statement_.get(), place);
  }

  std::unique_ptr<sqlite3_stmt, int (*)(sqlite3_stmt*)> statement_;
};

/// One connection to a file. Used by one thread at a time. Errors of everything: kIo (a full disk, a file that another
/// program has locked for 5 s), kCorrupt (no database, or a damaged one), naming the file.
class Database {
 public:
  /// Makes the file if it is not there, for its owner alone (0600); ":memory:" is one that ends with the Database.
  static Result<Database> open(const std::filesystem::path& file);

  /// `sql` is one statement; values take the places of its question marks.
  template <class... Values>
  Result<Query> query(std::string_view sql, const Values&... values) {
    SAIN_ASSIGN_OR_RETURN(Query query, prepare(sql));
    [[maybe_unused]] int place = 0;
    if (((query.bind(++place, values) != SQLITE_OK) || ...)) return error();
    return query;
  }

  /// Statements without rows, or whose rows do not matter.
  template <class... Values>
  Status run(std::string_view sql, const Values&... values) {
    SAIN_ASSIGN_OR_RETURN(Query query, this->query(sql, values...));
    SAIN_ASSIGN_OR_RETURN(bool is_row, query.next());
    while (is_row) {
      SAIN_ASSIGN_OR_RETURN(is_row, query.next());
    }
    return {};
  }
  Status run_all(const char* sql);  // several statements, one after the other

  int64_t last_id() const { return sqlite3_last_insert_rowid(connection_.get()); }
  int64_t n_changed() const { return sqlite3_changes64(connection_.get()); }

 private:
  explicit Database(sqlite3* connection) : connection_(connection, &sqlite3_close_v2) {}
  Result<Query> prepare(std::string_view sql);
  Error error() const;

  std::unique_ptr<sqlite3, int (*)(sqlite3*)> connection_;
};

/// Takes back what was done in its life unless it is committed.
class Transaction {
 public:
  static Result<Transaction> begin(Database& database);
  Transaction(Transaction&& other) noexcept : database_(std::exchange(other.database_, nullptr)) {}
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();

  Status commit();

 private:
  explicit Transaction(Database& database) : database_(&database) {}
  Database* database_;  // nullptr: it has ended
};

}  // namespace sain::router
