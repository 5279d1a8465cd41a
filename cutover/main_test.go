package cutover

import (
	"testing"

	"github.com/pgparity/pgparity/internal/pgcluster"
)

func TestMain(m *testing.M) { pgcluster.Main(m) }
