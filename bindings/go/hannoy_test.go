package hannoy

import (
	"database/sql"
	"fmt"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"

	_ "github.com/mattn/go-sqlite3"
)

type hit struct {
	ID       int64
	Distance float64
}

func open(t *testing.T, file string) *sql.DB {
	t.Helper()
	if err := Auto(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite3", "file:"+file+"?_busy_timeout=60000")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func run(t *testing.T, db interface {
	Exec(string, ...any) (sql.Result, error)
}, statement string, values ...any) {
	t.Helper()
	if _, err := db.Exec(statement, values...); err != nil {
		t.Fatal(err)
	}
}

func search(db interface {
	Query(string, ...any) (*sql.Rows, error)
}, statement string, values ...any) (hits []hit, err error) {
	rows, err := db.Query(statement, values...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var h hit
		if err := rows.Scan(&h.ID, &h.Distance); err != nil {
			return nil, err
		}
		hits = append(hits, h)
	}
	return hits, rows.Err()
}

const even = "SELECT rowid, distance FROM notes WHERE vector MATCH ? AND kind = 'even' AND k = 3"

var (
	query   = Serialize([]float32{700.25, 1})
	nearest = []hit{{700, 0.25}, {702, 1.75}, {698, 2.25}}
)

func TestRowsAreFoundByEachConnectionAndAfterARollback(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "app.db"))
	run(t, db, "CREATE VIRTUAL TABLE notes USING hannoy(dim=2, metric=l2, kind TEXT)")
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	for i := 1; i <= 1500; i++ {
		run(t, tx, "INSERT INTO notes(vector, kind) VALUES (?, ?)",
			Serialize([]float32{float32(i), 1}), []string{"even", "odd"}[i%2])
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if tx, err = db.Begin(); err != nil {
		t.Fatal(err)
	}
	run(t, tx, "DELETE FROM notes WHERE rowid = 700")
	if hits, err := search(tx, even, query); err != nil || hits[0] != nearest[1] {
		t.Fatal(hits, err)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for n := 0; n < 4; n++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for i := 0; i < 20; i++ {
				if hits, err := search(db, even, query); !reflect.DeepEqual(hits, nearest) {
					t.Error(hits, err)
				}
			}
		}()
	}
	group.Wait()
}

// Prints the distances that the kernels of HANNOY_KERNELS give, and their name.
func TestDistances(t *testing.T) {
	db := open(t, ":memory:")
	db.SetMaxOpenConns(1)
	random := rand.New(rand.NewSource(1))
	vector := func() []byte {
		numbers := make([]float32, 331)
		for i := range numbers {
			numbers[i] = random.Float32() - 0.5
		}
		return Serialize(numbers)
	}
	run(t, db, "CREATE VIRTUAL TABLE notes USING hannoy(dim=331, metric=l2)")
	for i := 0; i < 200; i++ {
		run(t, db, "INSERT INTO notes(vector) VALUES (?)", vector())
	}
	hits, err := search(db, "SELECT rowid, distance FROM notes(?, 200)", vector())
	if err != nil || len(hits) != 200 {
		t.Fatal(hits, err)
	}
	fmt.Printf("distances %x\n", hits)
	var kernels, version string
	err = db.QueryRow("SELECT CAST(value AS TEXT), hannoy_version() FROM hannoy_info('notes')"+
		" WHERE key = 'kernels'").Scan(&kernels, &version)
	fmt.Println("kernels", kernels, version, err)
}

// Each is compiled by a pragma of its own, is there, and gives the distances of scalar code.
func TestDistancesAreTheSameWithEachInstructionSet(t *testing.T) {
	cpu, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		t.Skip(err)
	}
	first := ""
	for _, kind := range []struct{ kernels, flags string }{
		{"scalar", ""},
		{"avx2", "avx2 fma f16c popcnt"},
		{"avx512", "avx2 fma avx512f avx512bw avx512vl avx512dq"},
		{"avx512-vnni", "avx512f avx512bw avx512vl avx512dq avx512_vnni avx512_vpopcntdq"},
		{"neon", "asimd"},
		{"neon-dot", "asimddp"},
	} {
		has := true
		flags := " " + strings.ReplaceAll(string(cpu), "\n", " ") + " "
		for _, flag := range strings.Fields(kind.flags) {
			has = has && strings.Contains(flags, " "+flag+" ")
		}
		if !has {
			continue
		}
		command := exec.Command(os.Args[0], "-test.run", "^TestDistances$")
		command.Env = append(os.Environ(), "HANNOY_KERNELS="+kind.kernels)
		output, err := command.CombinedOutput()
		lines := strings.Split(string(output), "\n")
		if err != nil || len(lines) < 2 ||
			!strings.HasPrefix(lines[1], "kernels "+kind.kernels+" ") {
			t.Fatalf("%s: %v\n%.300s", kind.kernels, err, output)
		}
		if first == "" {
			first = lines[0]
		}
		if lines[0] != first {
			t.Errorf("%s gives other distances than scalar", kind.kernels)
		}
	}
}

func TestWhatIsNoVectorIsAnError(t *testing.T) {
	db := open(t, ":memory:")
	db.SetMaxOpenConns(1)
	run(t, db, "CREATE VIRTUAL TABLE notes USING hannoy(dim=2, metric=l2)")
	_, err := db.Exec("INSERT INTO notes(vector) VALUES (?)", Serialize([]float32{1}))
	if err == nil || !strings.Contains(err.Error(), "1 dimension") {
		t.Error(err)
	}
}

func TestVectorsAndBlobs(t *testing.T) {
	vector := []float32{1.5, -2, 1e-40}
	if blob := Serialize(vector); !reflect.DeepEqual(blob[:4], []byte{0, 0, 0xc0, 0x3f}) {
		t.Error(blob)
	}
	if back := Deserialize(append(Serialize(vector), 7)); !reflect.DeepEqual(back, vector) {
		t.Error(back)
	}
}
