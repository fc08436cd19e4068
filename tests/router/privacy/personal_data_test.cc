// What counts as personal, and what does not: by kind, level and words before it.
#include "router/privacy/personal_data.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/support/linear_time.h"

namespace sain::router {
namespace {

using ::testing::IsEmpty;

/// The kinds that are found, in order, with what they are found in: "email(a@b.org) name(Anna)".
std::string found(std::string_view text, PrivacyLevel level = PrivacyLevel::kOn) {
  std::string list;
  for (const PersonalData& data : find_personal_data(text, {.level = level})) {
    list += list.empty() ? "" : " ";
    list += std::string(to_string(data.kind)) + "(" + std::string(text.substr(data.begin, data.end - data.begin)) + ")";
  }
  return list;
}

void expect_found(std::initializer_list<std::pair<const char*, const char*>> cases,
                  PrivacyLevel level = PrivacyLevel::kOn) {
  for (const auto& [text, expected] : cases) EXPECT_EQ(found(text, level), expected) << text;
}

void expect_nothing(std::initializer_list<const char*> texts, PrivacyLevel level = PrivacyLevel::kOn) {
  for (const char* text : texts) EXPECT_EQ(found(text, level), "") << text;
}

TEST(PersonalData, LevelsAndKindsHaveNames) {
  for (const PrivacyLevel level : {PrivacyLevel::kOff, PrivacyLevel::kOn, PrivacyLevel::kStrict}) {
    EXPECT_EQ(find_privacy_level(to_string(level)), level);
  }
  EXPECT_FALSE(find_privacy_level("ON"));
  EXPECT_EQ(to_string(PersonalDataKind::kSecret), "secret");
  EXPECT_EQ(to_string(PersonalDataKind::kName), "name");
  EXPECT_EQ(static_cast<size_t>(PersonalDataKind::kName) + 1, kPersonalDataKinds);
  EXPECT_EQ(found("a@example.org", PrivacyLevel::kOff), "");
}

TEST(PersonalData, Email) {
  expect_found({{"Write to anna.fischer@example.org, please.", "email(anna.fischer@example.org)"},
                {"<o'neil+x@mail.example.co.uk>", "email(o'neil+x@mail.example.co.uk)"},
                {"jörg@müller.de", "email(jörg@müller.de)"},
                {"--anna@example.org", "email(anna@example.org)"},
                {"mailto:/.anna@example.org", "email(anna@example.org)"},
                {"anna (at) example (dot) org", "email(anna (at) example (dot) org)"},
                {"my email is anna at example dot com", "email(anna at example dot com)"}});
  expect_nothing(
      {"@app.route('/x')", "git clone git@github.com:a/b.git", "a @ b", "x@y", "C = A@B.T", "look at amazon dot com"});
}

TEST(PersonalData, PaymentCard) {
  expect_found({{"4111 1111 1111 1111", "payment_card(4111 1111 1111 1111)"},
                {"card 4111-1111-1111-1111 12/29", "payment_card(4111-1111-1111-1111)"},
                {"378282246310005", "payment_card(378282246310005)"},
                {"3782 822463 10005", "payment_card(3782 822463 10005)"},
                {"5555555555554444.", "payment_card(5555555555554444)"},
                {"my card number is 4111111111111112", "payment_card(4111111111111112)"},  // mistyped
                {"cvv 123", "payment_card(123)"}});
  expect_nothing(
      {"4111 1111 1111 1112", "4111111111111112", "1234567890123452", "0.4111111111111111", "id4111111111111111"});
}

TEST(PersonalData, BankAccountAndWallet) {
  expect_found({{"GB82 WEST 1234 5698 7654 32", "bank_account(GB82 WEST 1234 5698 7654 32)"},
                {"DE89370400440532013000 and", "bank_account(DE89370400440532013000)"},
                {"de89 3704 0044 0532 0130 00", "bank_account(de89 3704 0044 0532 0130 00)"},
                {"NL91ABNA0417164300", "bank_account(NL91ABNA0417164300)"},
                {"account number 12345678", "bank_account(12345678)"},
                {"1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "wallet(1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa)"},
                {"bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "wallet(bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4)"},
                {"0x52908400098527886E0F7030069857D2E4169EE7", "wallet(0x52908400098527886E0F7030069857D2E4169EE7)"}});
  expect_nothing({"GB82 WEST 1234 5698 7654 33", "DE89370400440532013001", "ZZ89370400440532013000",
                  "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5",
                  "0x52908400098527886E0F7030069857D2E4169E", "commit 52908400098527886e0f7030069857d2e4169ee7"});
}

struct NationalId {
  const char* country;
  const char* words;  // that make it count at kOn; empty: it does alone
  const char* valid;
  const char* invalid;  // another check digit; empty: there is none
};

class NationalIdTest : public ::testing::TestWithParam<NationalId> {};

TEST_P(NationalIdTest, ChecksItsDigits) {
  const auto& [country, words, valid, invalid] = GetParam();
  const auto is_found = [](const std::string& text, PrivacyLevel level) {
    return std::ranges::any_of(find_personal_data(text, {.level = level}),
                               [](const PersonalData& data) { return data.kind == PersonalDataKind::kNationalId; });
  };
  const std::string before = *words == '\0' ? "It is " : std::string(words) + ": ";
  EXPECT_TRUE(is_found(before + valid, PrivacyLevel::kOn));
  EXPECT_TRUE(is_found(before + valid + ".", PrivacyLevel::kOn));
  if (*words != '\0') {
    EXPECT_FALSE(is_found(valid, PrivacyLevel::kOn));
  }
  if (*invalid != '\0') {
    EXPECT_FALSE(is_found(before + invalid, PrivacyLevel::kOn));
    EXPECT_FALSE(is_found(before + "x" + valid, PrivacyLevel::kOn));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Countries, NationalIdTest,
    ::testing::Values(
        NationalId{"us_ssn", "", "123-45-6789", "000-45-6789"},
        NationalId{"us_ssn_900", "", "536-22-8145", "936-22-8145"},
        NationalId{"us_ssn_bare", "social security number", "123456789", ""},
        NationalId{"us_itin", "", "912-70-1234", "912-49-1234"},
        NationalId{"uk_nino", "", "AB 12 34 56 C", "BG 12 34 56 C"},
        NationalId{"uk_nhs", "NHS number", "943 476 5919", "943 476 5918"},
        NationalId{"es_dni", "", "12345678Z", "12345678A"}, NationalId{"es_nie", "", "X1234567L", "X1234567M"},
        NationalId{"de_tax", "Steuer-ID", "86095742719", "86095742718"},
        NationalId{"fr_nir", "", "1 85 05 78 006 084 91", "1 85 05 78 006 084 92"},
        NationalId{"fr_corsica", "", "185052A00608435", "185052B00608435"},
        NationalId{"it_cf", "", "RSSMRA85T10A562S", "RSSMRA85T10A562T"},
        NationalId{"nl_bsn", "BSN", "111222333", "111222334"},
        NationalId{"br_cpf", "", "529.982.247-25", "529.982.247-26"},
        NationalId{"br_cpf_bare", "CPF", "52998224725", "52998224726"},
        NationalId{"pl_pesel", "PESEL", "44051401359", "44051401358"},
        NationalId{"tr", "T.C. Kimlik", "10000000146", "10000000147"},
        NationalId{"no", "", "17054026641", "17054026642"}, NationalId{"se", "", "811228-9874", "811228-9875"},
        NationalId{"fi", "", "131052-308T", "131052-308U"}, NationalId{"be", "", "85.07.30-033.28", "85.07.30-033.29"},
        NationalId{"pt_nif", "NIF", "123456789", "123456788"}, NationalId{"dk", "CPR", "010170-1234", "011370-1234"},
        NationalId{"ch_ahv", "", "756.9217.0769.85", "756.9217.0769.84"},
        NationalId{"in_aadhaar", "", "2341 2341 2346", "2341 2341 2347"},
        NationalId{"in_pan", "", "ABCPE1234F", "ABCDE1234F"}, NationalId{"ca_sin", "SIN", "046 454 286", "046 454 287"},
        NationalId{"au_tfn", "TFN", "123 456 782", "123 456 783"},
        NationalId{"za", "ID number", "8001015009087", "8001015009088"},
        NationalId{"cn", "", "11010519491231002X", "110105194912310021"},
        NationalId{"kr", "", "800101-1234567", "801301-1234567"},
        NationalId{"jp", "My Number", "123456789018", "123456789019"},
        NationalId{"hr_oib", "OIB", "33392005961", "33392005962"},
        NationalId{"cl_rut", "", "12.345.678-5", "12.345.678-6"},
        NationalId{"mx_curp", "", "HEGG560427MVZRRL04", "HEGG561327MVZRRL04"},
        NationalId{"passport", "passport number", "C01X00T47", ""},
        NationalId{"licence", "driver's license number is", "S530-460-99-424-0", ""}),
    [](const auto& name) { return name.param.country; });

TEST(PersonalData, Phone) {
  expect_found({{"+49 170 1234567", "phone(+49 170 1234567)"},
                {"+1-202-555-0143 or (202) 555-0143x12", "phone(+1-202-555-0143) phone((202) 555-0143x12)"},
                {"202-555-0143", "phone(202-555-0143)"},
                {"0681 563 12 72", "phone(0681 563 12 72)"},
                {"call me on 555 0143 22", "phone(555 0143 22)"},
                {"Tel.: 98 76 54 32", "phone(98 76 54 32)"},
                {"667264 office", "phone(667264)"}});
  expect_nothing({"555 0143 22", "1 + 2345678 = 2345679", "call f(12)", "2026-11-26 07:15:30",
                  "2026-11-26T07:15:30.123Z", "1,234,567,890", "0x7fffffff", "pi is 3.14159265358979", "00101101011101",
                  "version 10.15.7", "call me at 5 or 6", "ISBN 978-3-16-148410-0", "between 1914-1918 and 1939-1945"});
  expect_found({{"555 0143 22", "phone(555 0143 22)"}, {"2025550143", "phone(2025550143)"}}, PrivacyLevel::kStrict);
  expect_nothing({"2026-11-26 07:15:30", "3.14159265", "1234567"}, PrivacyLevel::kStrict);
}

TEST(PersonalData, IpAddressAndDeviceId) {
  expect_found({{"from 84.112.33.7", "ip_address(84.112.33.7)"},
                {"my IP is 10.0.0.17", "ip_address(10.0.0.17)"},
                {"2001:0db8:85a3:0000:0000:8a2e:0370:7334", "ip_address(2001:0db8:85a3:0000:0000:8a2e:0370:7334)"},
                {"fe80::1ff:fe23:4567:890a", "ip_address(fe80::1ff:fe23:4567:890a)"},
                {"00:1A:2B:3C:4D:5E", "device_id(00:1A:2B:3C:4D:5E)"},
                {"IMEI 49-015420-323751-8", "device_id(49-015420-323751-8)"}});
  expect_nothing({"127.0.0.1", "bind 0.0.0.0", "192.168.1.1", "version 1.2.3.4", "Chrome 91.0.4472.124", "300.1.1.1",
                  "std::chrono::seconds", "12:34:56", "dead::beef", "ff:ff:ff:ff:ff:ff", "IMEI 490154203237519"});
}

TEST(PersonalData, BirthDate) {
  expect_found({{"born on 12 March 1985", "birth_date(12 March 1985)"},
                {"DOB: 03/12/1985", "birth_date(03/12/1985)"},
                {"geboren am 12.03.1985", "birth_date(12.03.1985)"},
                {"my birthday is March 12th, 1985", "birth_date(March 12th, 1985)"}});
  expect_nothing({"12 March 1985", "the release of 2026-03-12", "Einstein was born on 14 March 1879"});
  expect_found({{"On 12 March 1985, in a small town by the sea, she was born", "birth_date(12 March 1985)"}},
               PrivacyLevel::kStrict);
  expect_nothing({"since 12 March 1985"}, PrivacyLevel::kStrict);
}

TEST(PersonalData, PostalAddress) {
  expect_found({{"at 12 Main Street", "postal_address(12 Main Street)"},
                {"Lindenstraße 12", "postal_address(Lindenstraße 12)"},
                {"12 rue de la Paix", "postal_address(12 rue de la Paix)"},
                {"Calle Mayor 3", "postal_address(Calle Mayor 3)"},
                {"Springfield, IL 62704", "postal_address(Springfield, IL 62704)"},
                {"SW1A 2AA", "postal_address(SW1A 2AA)"},
                {"i live at 12 main street", "postal_address(12 main street)"},
                {"my address is Školní 939", "postal_address(Školní 939)"},
                {"zip code 62704", "postal_address(62704)"},
                {"P.O. Box 255", "postal_address(P.O. Box 255)"}});
  expect_nothing({"the Eiffel Tower in Paris", "Times Square", "Wall Street fell by 3 %", "5 people live in Berlin",
                  "2 cars on the road", "memory address 0x1234", "Chapter 12", "Python 3", "sent to Germany in 2020",
                  "I live in Paris", "zip(a, b)"});
  expect_found({{"Školní 939,", "postal_address(Školní 939)"}, {"10115 Berlin", "postal_address(10115 Berlin)"}},
               PrivacyLevel::kStrict);
}

TEST(PersonalData, Location) {
  expect_found({{"my location: 52.52000, 13.40500", "location(52.52000, 13.40500)"},
                {"48.8584° N, 2.2945° E", "location(48.8584° N, 2.2945° E)"},
                {"40°26'46\"N 79°58'56\"W", "location(40°26'46\"N 79°58'56\"W)"}});
  expect_nothing({"weights are 0.12345, 0.67891", "3.14159, 2.71828"});
}

TEST(PersonalData, Name) {
  expect_found({{"My name is Anna Fischer.", "name(Anna Fischer)"},
                {"my name is anna", "name(anna)"},
                {"Ich heiße Jörg Müller", "name(Jörg Müller)"},
                {"Dear Anna,", "name(Anna)"},
                {"Best regards,\nAnna Fischer", "name(Anna Fischer)"},
                {"Name: Ludwig van Beethoven", "name(Ludwig van Beethoven)"},
                {"my wife Anna is ill", "name(Anna)"},
                {"my great grandmother was called Anna", "name(Anna)"},
                {"Dr. Anna Fischer called", "name(Anna Fischer)"},
                {"I'm Anna Fischer from Berlin", "name(Anna Fischer)"},
                {"我叫王小明", "name(王小明)"}});
  expect_nothing({"Natalia sold clips to 48 of her friends", "Anna Fischer wrote a book", "my name is not important",
                  "Hello World!", "Hi there,", "Thanks,", "I'm Canadian", "This is Python", "Dr. Strange",
                  "The name is Python", "What is the name of the river?", "my friend is ill"});
  expect_found({{"Natalia sold clips", "name(Natalia)"}, {"I met Anna Fischer", "name(Anna Fischer)"}},
               PrivacyLevel::kStrict);
  expect_nothing(
      {"Write a Python function", "In May the Germans met in Paris", "NASA and JSON", "class HashMap(Dict):"},
      PrivacyLevel::kStrict);
}

TEST(PersonalData, Secret) {
  expect_found({{"AKIAIOSFODNN7EXAMPLE", "secret(AKIAIOSFODNN7EXAMPLE)"},
                {"ghp_0123456789abcdefghijABCDEFGHIJ012345", "secret(ghp_0123456789abcdefghijABCDEFGHIJ012345)"},
                {"-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----",
                 "secret(-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----)"},
                {"password = \"hunter2!\"", "secret(hunter2!)"},
                {"my password is hunter2.", "secret(hunter2)"},
                {"DB_PASSWORD=s3cr3tpw", "secret(s3cr3tpw)"},
                {"postgres://me:s3cr3tpw@db/x", "secret(s3cr3tpw)"},
                {"Authorization: Bearer abcdef0123456789", "secret(abcdef0123456789)"},
                {"my pin is 4821", "secret(4821)"}});
  expect_nothing({"password = input()", "password: str", "api_key = os.environ['KEY']", "the password is wrong",
                  "token = tokens[0]", "password=your_password1", "secret: ${SECRET_1}", "sk-learn",
                  "pin the 4821 boards"});
}

TEST(PersonalData, CodeAndLogsAreNotPersonal) {
  expect_nothing({"for (int i = 0; i < 1000000000; ++i) sum += a[i] * 3.14159265;",
                  "2026-11-26 07:15:30.123 INFO worker 12: 4096 tokens in 1234.5 ms (commit "
                  "fecab52f9d1a909f3cdb10aaef9904ba05c12345)",
                  "pip install numpy==1.26.4 && python3 -m http.server 8000", "x = 12345 * 67890 + 111213",
                  "assert add(1234567, 7654321) == 8888888",
                  "#include <vector>\nstd::vector<int> v = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};",
                  "The year 1999, 12 % of 3,500,000, and 1e-9", "uuid 123e4567-e89b-12d3-a456-426614174000",
                  "SELECT * FROM users WHERE id = 1234567890;", "Q4_K_M, BF16, SHA-256, ISO 27001, RFC 2606"});
}

TEST(PersonalData, TheVoteDecidesOnNamesByTheirForm) {
  const std::string text = "I met Anna Fischer near Gollum.";
  std::vector<std::string> asked;
  PersonalDataOptions options = {.name_vote = [&](std::string_view, std::string_view candidate) {
    asked.emplace_back(candidate);
    return candidate == "Anna Fischer" ? 0.95 : 0.05;
  }};
  EXPECT_EQ(find_personal_data(text, options).size(), 1u);
  EXPECT_THAT(asked, ::testing::ElementsAre("Anna Fischer", "Gollum"));
  options.level = PrivacyLevel::kStrict;
  EXPECT_EQ(find_personal_data(text, options).size(), 1u);
  options.name_vote = [](std::string_view, std::string_view) { return 0.5; };
  EXPECT_EQ(find_personal_data(text, options).size(), 2u);
  options.level = PrivacyLevel::kOn;
  EXPECT_THAT(find_personal_data(text, options), IsEmpty());
  options.name_vote = [](std::string_view, std::string_view) { return -1.0; };
  EXPECT_THAT(find_personal_data(text, options), IsEmpty());
  options.level = PrivacyLevel::kStrict;
  EXPECT_EQ(find_personal_data(text, options).size(), 2u);
}

TEST(PersonalData, TheVoteIsAskedABoundedNumberOfTimes) {
  std::string text;
  for (int i = 0; i < 100; ++i) text += "and Gollum, ";
  size_t n_votes = 0;
  const PersonalDataOptions options = {.level = PrivacyLevel::kStrict,
                                       .name_vote = [&](std::string_view, std::string_view) {
                                         ++n_votes;
                                         return 0.0;
                                       }};
  EXPECT_EQ(find_personal_data(text, options).size(), 100 - kMaxNameVotes);
  EXPECT_EQ(n_votes, kMaxNameVotes);
}

TEST(PersonalData, RedactLeavesNothingOfIt) {
  const std::string text = "My name is Anna Fischer, a@example.org, 4111 1111 1111 1111!";
  EXPECT_EQ(redact(text, find_personal_data(text)), "My name is [name], [email], [payment_card]!");
  EXPECT_EQ(redact("nothing", {}), "nothing");
}

TEST(PersonalData, FindingsAreSortedAndApart) {
  const std::string text = "zip code 62704 Springfield, IL 62704 call 2025550143 a@b.org password: x@y1.org";
  const auto all = find_personal_data(text, {.level = PrivacyLevel::kStrict});
  ASSERT_GT(all.size(), 3u);
  for (size_t i = 1; i < all.size(); ++i) EXPECT_LE(all[i - 1].end, all[i].begin);
  for (const PersonalData& data : all) EXPECT_LT(data.begin, data.end);
}

TEST(PersonalData, BrokenUtf8HidesNothing) {
  EXPECT_EQ(found("\xFF\xC3 anna@example.org \xE2\x82"), "email(anna@example.org)");
  EXPECT_EQ(found("\xC3\xA4\xFFmy name is Anna"), "name(Anna)");
  EXPECT_EQ(found(std::string_view("a\0b 4111111111111111\0", 21)), "payment_card(4111111111111111)");
}

TEST(PersonalData, HostileTextsTakeLinearTime) {
  for (const char* unit : {"1",         "1 ",
                           "a",         "A",
                           "Aa ",       "a@",
                           "a.",        "@",
                           "+1",        "(1",
                           "-",         "1.1",
                           "1-",        ":",
                           "password=", "my name is ",
                           "phone ",    "Rue de la ",
                           "eyJ",       "\xFF",
                           "born ",     "-----BEGIN PRIVATE KEY-----",
                           "at dot ",   "4111 "}) {
    const auto work = [&](size_t n) {
      std::string text;
      while (text.size() < n) text += unit;
      find_personal_data(text, {.level = PrivacyLevel::kStrict});
    };
    EXPECT_TRUE(sain::testing::takes_linear_time(work, 8'000)) << unit;
  }
}

}  // namespace
}  // namespace sain::router
