// Java with sqlite-jdbc.  Notes EXTENSION FOLDER
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.sqlite.SQLiteConfig;

public class Notes {
    record Hit(long id, double distance) {}

    interface Binder {
        void bind(PreparedStatement statement, int index) throws SQLException;
    }

    static final byte[] QUERY = blob(700.25f, 1);
    static final List<Hit> NEAREST =
            List.of(new Hit(700, 0.25), new Hit(702, 1.75), new Hit(698, 2.25));

    static byte[] blob(float... numbers) {
        ByteBuffer buffer = ByteBuffer.allocate(4 * numbers.length).order(ByteOrder.LITTLE_ENDIAN);
        for (float x : numbers) {
            buffer.putFloat(x);
        }
        return buffer.array();
    }

    static Connection open(String extension, String file) throws SQLException {
        SQLiteConfig config = new SQLiteConfig();
        config.enableLoadExtension(true);
        config.setBusyTimeout(60000);
        Connection db = DriverManager.getConnection("jdbc:sqlite:" + file, config.toProperties());
        try (PreparedStatement load = db.prepareStatement("SELECT load_extension(?)")) {
            load.setString(1, extension);
            load.executeQuery().close();
        }
        return db;
    }

    static List<Hit> search(Connection db, Binder k) throws SQLException {
        try (PreparedStatement select = db.prepareStatement(
                "SELECT id, distance FROM notes"
                        + " WHERE knn_match(vector, ?) AND kind = ? AND k = ?")) {
            select.setBytes(1, QUERY);
            select.setString(2, "even");
            k.bind(select, 3);
            List<Hit> hits = new ArrayList<>();
            try (ResultSet rows = select.executeQuery()) {
                while (rows.next()) {
                    hits.add(new Hit(rows.getLong("id"), rows.getDouble("distance")));
                }
            }
            return hits;
        }
    }

    static List<Hit> search(Connection db, int k) throws SQLException {
        return search(db, (statement, index) -> statement.setInt(index, k));
    }

    static void expect(Object got, Object wanted) {
        if (!got.equals(wanted)) {
            throw new AssertionError("expected " + wanted + ", got " + got);
        }
    }

    static Void work(String extension, String file, int n) throws SQLException {
        try (Connection db = open(extension, file);
                PreparedStatement insert = db.prepareStatement(
                        "INSERT INTO notes(id, vector, kind) VALUES (?, ?, 'odd')")) {
            for (int i = 0; i < 20; i++) {
                expect(search(db, 3), NEAREST);
                insert.setLong(1, 10000 * n + i);
                insert.setString(2, "[" + (5000 * n + i) + ", 1]");
                insert.executeUpdate();
            }
        }
        return null;
    }

    public static void main(String[] arguments) throws Exception {
        String extension = arguments[0], file = arguments[1] + "/java.db";
        try (Connection db = open(extension, file); Statement statement = db.createStatement()) {
            statement.execute("CREATE VIRTUAL TABLE notes USING hannoy("
                    + "id INTEGER PRIMARY KEY, dim=2, metric=l2, kind TEXT)");
            db.setAutoCommit(false);
            try (PreparedStatement insert =
                    db.prepareStatement("INSERT INTO notes(id, vector, kind) VALUES (?, ?, ?)")) {
                for (int i = 1; i <= 1500; i++) {
                    insert.setInt(1, i);
                    insert.setBytes(2, blob(i, 1));
                    insert.setString(3, i % 2 == 0 ? "even" : "odd");
                    insert.addBatch();
                }
                insert.executeBatch();
            }
            db.commit();
            expect(search(db, 3), NEAREST);
            expect(search(db, (s, i) -> s.setDouble(i, 3)), NEAREST);
            expect(search(db, (s, i) -> s.setString(i, "3")), NEAREST);
            db.commit();

            statement.executeUpdate("INSERT INTO notes(id, vector, kind)"
                    + " VALUES (2000, '[700.25, 1]', 'even')");
            statement.executeUpdate("DELETE FROM notes WHERE id = 700");
            expect(search(db, 1), List.of(new Hit(2000, 0)));
            db.rollback();
            expect(search(db, 3), NEAREST);
            db.rollback();
            db.setAutoCommit(true);

            // Each thread has a connection of its own.
            ExecutorService pool = Executors.newFixedThreadPool(4);
            List<Future<Void>> results = new ArrayList<>();
            for (int n = 1; n <= 4; n++) {
                int mine = n;
                results.add(pool.submit(() -> work(extension, file, mine)));
            }
            for (Future<Void> result : results) {
                result.get();
            }
            pool.shutdown();
        }

        try (Connection db = open(extension, file); Statement statement = db.createStatement()) {
            try (ResultSet rows = statement.executeQuery("SELECT count(*) FROM notes")) {
                expect(rows.getInt(1), 1580);
            }
            expect(search(db, 3), NEAREST);
            List<String> columns = new ArrayList<>();
            try (ResultSet rows = db.getMetaData().getColumns(null, null, "notes", null)) {
                while (rows.next()) {
                    columns.add(rows.getString("COLUMN_NAME") + " " + rows.getString("TYPE_NAME"));
                }
            }
            expect(columns.subList(0, 3), List.of("id INTEGER", "vector BLOB", "kind TEXT"));
        }
        System.out.println("1 passed, 0 failed");
    }
}
